import { FULL } from '@waybill/tools/test-scale';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_ALGORITHM_NAMES } from '@waybill/protocol';
import {
  codeOf,
  COMPONENT,
  CORE_MODULE,
  openRegistry,
  openUser,
  type CommandOutcome,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

/* Packages of version 1, as their users meet them (spec/version1.md). */

interface Key {
  readonly keyId: string;
  readonly publicKey: string;
}

interface Grant {
  readonly id: string;
  readonly permissions: readonly string[];
  readonly revokedBy: string | null;
}

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];
/** The keys of the user; `default` owns what {@link start} starts. */
const keys = new Map<string, Key>();

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  user = await openUser();
  await newKey('default', 'ES256');
  for (const name of ['ann', 'bob', 'cyd']) await newKey(name, name === 'ann' ? 'Ed25519' : 'ES256');
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

async function newKey(name: string, algorithm: string): Promise<Key> {
  const key = JSON.parse(await user.ok('key', 'new', '--name', name, '--alg', algorithm, '--json'));
  keys.set(name, key);
  return key;
}

function keyOf(name: string): Key {
  return keys.get(name) ?? assert.fail();
}

const publicKeys = (...names: readonly string[]): string[] => names.flatMap((name) => ['--to', keyOf(name).publicKey]);

function publish(name: string, version: string, by: string, ...more: readonly string[]): Promise<CommandOutcome> {
  return user.run(
    'publish',
    CORE_MODULE,
    '--package',
    name,
    '--version',
    version,
    '--key',
    by,
    ...more,
    ...at,
    '--json',
  );
}

/** A package of version 1 with release 1.0.0, whose root is held by `default`. */
async function start(name: string): Promise<void> {
  assertDone(await publish(name, '1.0.0', 'default'));
  await user.ok('upgrade', name, ...at);
}

function assertDone({ code, stderr }: CommandOutcome): void {
  assert.equal(code, 0, stderr);
}

/** Refused for this reason, and never sent: the exit code says that the log stays as it is. */
function assertUnauthorized(outcome: CommandOutcome, reason: string): void {
  assert.deepEqual([outcome.code, codeOf(outcome)], [77, 'record/unauthorized'], outcome.stderr);
  assert.equal(JSON.parse(outcome.stderr).error.detail.reason, reason, outcome.stderr);
}

async function grantsOf(name: string): Promise<readonly Grant[]> {
  return JSON.parse(await user.ok('who', name, ...at, '--json')).grants;
}

/** Long enough for one publish on a machine that has much else to do; at full scale each command is a process. */
const EXPIRY_SECONDS = FULL ? 30 : 6;

async function grant(name: string, to: readonly string[], ...terms: readonly string[]): Promise<string> {
  await user.ok('grant', name, ...publicKeys(...to), ...terms, ...at);
  return (await grantsOf(name)).at(-1)?.id ?? assert.fail();
}

async function resolved(wanted: string): Promise<string> {
  return JSON.parse(await user.ok('get', wanted, '-o', 'out.wasm', '--json', ...at)).version;
}

for (const algorithm of RECORD_ALGORITHM_NAMES) {
  test(`a component is published with a key of ${algorithm}, fetched and verified`, async () => {
    const key = algorithm.toLowerCase();
    const { keyId } = await newKey(key, algorithm);
    const name = `test:by-${key}`;
    const release = ['publish', COMPONENT, '--package', name, '--key', key, ...at];
    await user.ok(...release, '--version', '1.0.0');
    if (algorithm === 'ES256') await user.ok('upgrade', name, '--key', key, ...at);
    await user.ok(...release, '--version', '1.1.0');
    await user.ok('get', `${name}@1.1.0`, '-o', 'got.wasm', ...at);
    assert.deepEqual(await readFile(user.file('got.wasm')), await readFile(COMPONENT));
    const verified = await user.ok('verify', 'got.wasm', '--package', `${name}@1.1.0`, '--json', ...at);
    assert.equal(JSON.parse(verified).by, keyId);
    assert.equal(JSON.parse(await user.ok('who', name, ...at, '--json')).version, 1);
  });
}

test('an upgrade keeps what another key holds, under the id of the record that gave it', async () => {
  const name = 'test:two-keys';
  assertDone(await publish(name, '1.0.0', 'default'));
  const given = await user.ok('grant', name, ...publicKeys('bob'), '--permissions', 'release', ...at, '--json');
  await user.ok('upgrade', name, ...at);
  const [inherited, ...others] = await grantsOf(name);
  assert.deepEqual(others, []);
  const id = `${JSON.parse(given).recordId}/0/release`;
  assert.deepEqual([inherited?.id, inherited?.permissions], [id, ['release']]);
  assertDone(await publish(name, '1.1.0', 'bob'));
  assertUnauthorized(await user.run('yank', `${name}@1.0.0`, '--key', 'bob', '--json', ...at), 'permission');
  await user.ok('revoke', name, '--grant', id, ...at);
  assertUnauthorized(await publish(name, '1.2.0', 'bob'), 'revoked');
  assert.equal((await user.run('upgrade', name, ...at)).code, 64);
});

/** What narrows a grant, what is published under it, and why another publish is refused. */
const NARROWED: readonly (readonly [name: string, terms: readonly string[], good: string | null, reason: string])[] = [
  ['versions', ['--versions', '2.0.0..3.0.0'], '2.0.0', 'version'],
  ['versions-from', ['--versions', '4.0.0..'], null, 'version'],
  ['media-type', ['--media-type', 'application/octet-stream'], null, 'media-type'],
  ['max-size', ['--max-size', '1000'], null, 'size'],
  ['permission', ['--permissions', 'yank,restore'], null, 'permission'],
];

for (const [name, terms, good, reason] of NARROWED) {
  test(`T9: a grant narrowed by ${terms[0]} (${name}) refuses with ${reason}`, async () => {
    const id = `test:narrow-${name}`;
    await start(id);
    await grant(id, ['ann'], ...terms);
    if (good !== null) assertDone(await publish(id, good, 'ann'));
    assertUnauthorized(await publish(id, '3.0.0', 'ann'), reason);
  });
}

test('T9: what narrows a grant and is kept lets a release pass; --until ends it', async () => {
  await start('test:until');
  const terms = ['--media-type', 'application/wasm', '--max-size', '100000', '--versions', '..9.0.0'];
  await grant('test:until', ['ann'], ...terms, '--until', `${EXPIRY_SECONDS}s`);
  const expired = sleep((EXPIRY_SECONDS + 1) * 1_000);
  assertDone(await publish('test:until', '2.0.0', 'ann'));
  await expired;
  assertUnauthorized(await publish('test:until', '2.1.0', 'ann'), 'expired');
});

test('T9: a grant to two keys takes both, by --cosign', async () => {
  await start('test:both');
  await grant('test:both', ['ann', 'bob'], '--threshold', '2', '--permissions', 'release');
  assertUnauthorized(await publish('test:both', '2.0.0', 'ann'), 'holder');
  assertUnauthorized(await publish('test:both', '2.0.0', 'ann', '--cosign', 'cyd'), 'holder');
  assertDone(await publish('test:both', '2.0.0', 'ann', '--cosign', 'bob'));
});

test('each role is its list of permissions', async () => {
  await start('test:roles');
  const roles = {
    publisher: ['release'],
    responder: ['annotate:advisory', 'yank'],
    auditor: ['annotate:audit', 'annotate:rebuild'],
  };
  for (const [role, permissions] of Object.entries(roles)) {
    await grant('test:roles', [{ publisher: 'ann', responder: 'bob' }[role] ?? 'cyd'], '--role', role);
    assert.deepEqual((await grantsOf('test:roles')).at(-1)?.permissions, permissions);
  }
  assertDone(await publish('test:roles', '2.0.0', 'ann'));
  assertUnauthorized(await publish('test:roles', '3.0.0', 'bob'), 'permission');
  assertDone(await user.run('yank', 'test:roles@2.0.0', '--key', 'bob', ...at));
  assertUnauthorized(await publish('test:roles', '3.0.0', 'cyd'), 'permission');
});

test('T9: revoking a grant cuts what hangs below it', async () => {
  await start('test:cut');
  const top = await grant('test:cut', ['ann'], '--permissions', 'grant,release', '--versions', '2.0.0..');
  await grant('test:cut', ['bob'], '--permissions', 'release', '--under', top, '--key', 'ann');
  const more = ['grant', 'test:cut', ...publicKeys('bob'), '--permissions', 'yank', '--key', 'ann', '--json', ...at];
  assertUnauthorized(await user.run(...more), 'permission');
  assertUnauthorized(await publish('test:cut', '1.1.0', 'bob'), 'version');
  assertDone(await publish('test:cut', '2.0.0', 'bob'));
  await user.ok('revoke', 'test:cut', '--grant', top, '--reason', 'left the team', ...at);
  assertUnauthorized(await publish('test:cut', '2.1.0', 'bob'), 'revoked');
  assert.equal(codeOf(await user.run('revoke', 'test:cut', '--grant', top, '--json', ...at)), 'record/grant-revoked');
});

test('T9: revoking by key ends all of its grants, and what hangs below them', async () => {
  await start('test:cut-key');
  for (const permissions of ['grant,release', 'restore,yank']) {
    await grant('test:cut-key', ['ann'], '--permissions', permissions);
  }
  await grant('test:cut-key', ['cyd'], '--permissions', 'release', '--key', 'ann');
  assertDone(await publish('test:cut-key', '2.0.0', 'cyd'));
  await user.ok('revoke', 'test:cut-key', '--from', keyOf('ann').keyId, ...at);
  const standing = (await grantsOf('test:cut-key')).filter(({ revokedBy }) => revokedBy === null);
  assert.equal(standing.length, 1);
  for (const by of ['ann', 'cyd']) assertUnauthorized(await publish('test:cut-key', '2.1.0', by), 'revoked');
});

test('T9: the root goes to another key, and on to two of three', async () => {
  await start('test:moved');
  const transfer = (to: readonly string[], ...more: readonly string[]): Promise<CommandOutcome> =>
    user.run('transfer', 'test:moved', ...publicKeys(...to), ...more, ...at, '--json');
  assert.equal(codeOf(await transfer(['bob'])), 'record/unauthorized');
  assertDone(await transfer(['bob'], '--cosign', 'bob'));
  assert.equal(codeOf(await publish('test:moved', '1.1.0', 'default')), 'record/unauthorized');
  assertDone(await publish('test:moved', '1.1.0', 'bob'));
  const three = ['ann', 'bob', 'cyd'];
  assertDone(await transfer(three, '--threshold', '2', '--key', 'bob', '--cosign', 'ann'));
  assertUnauthorized(await publish('test:moved', '1.2.0', 'cyd'), 'holder');
  assertDone(await publish('test:moved', '1.2.0', 'cyd', '--cosign', 'ann'));
  const { root } = JSON.parse(await user.ok('who', 'test:moved', ...at, '--json'));
  assert.deepEqual([root.threshold, root.keys.length], [2, 3]);
});

test('a yanked version is passed over, comes by its exact name with the reason, and is restored', async () => {
  await start('test:back');
  assertDone(await publish('test:back', '1.1.0', 'default'));
  await user.ok('yank', 'test:back@1.1.0', '--reason', 'does not start', ...at);
  assert.equal(await resolved('test:back@^1'), '1.0.0');
  const exact = await user.run('get', 'test:back@1.1.0', '-o', 'out.wasm', ...at);
  assertDone(exact);
  assert.match(exact.stderr, /warning: version 1\.1\.0 was yanked: does not start/);
  assert.doesNotMatch(exact.stdout, /warning/);
  await user.ok('restore', 'test:back@1.1.0', '--reason', 'it does', ...at);
  assert.equal(await resolved('test:back@^1'), '1.1.0');
  const again = await user.run('restore', 'test:back@1.1.0', '--json', ...at);
  assert.deepEqual([again.code, codeOf(again)], [77, 'record/restore-unyanked']);
});

test('who tells the grants as a tree, and why a key may or may not', async () => {
  await start('test:who');
  const top = await grant('test:who', ['ann'], '--permissions', 'grant,release', '--versions', '2.0.0..3.0.0');
  const below = await grant('test:who', ['bob'], '--permissions', 'release', '--key', 'ann');
  const lines = (await user.ok('who', 'test:who', ...at)).trimEnd().split('\n');
  assert.deepEqual(lines, [
    'test:who (version 1)',
    `  root  ${keyOf('default').keyId}`,
    `    ${keyOf('ann').keyId}  grant, release, versions from 2.0.0, versions below 3.0.0  [${top}]`,
    `      ${keyOf('bob').keyId}  release  [${below}]`,
  ]);
  const why = async (key: string, ...more: readonly string[]): Promise<readonly [number, string]> => {
    const { code, stdout } = await user.run('who', 'test:who', '--why', key, ...more, ...at);
    return [code, stdout.trimEnd()];
  };
  const bob = keyOf('bob').publicKey;
  assert.deepEqual(await why(keyOf('default').keyId), [0, 'yes: it holds the root']);
  assert.deepEqual(await why(bob, '--version', '2.1.0'), [0, `yes: by grant ${below}`]);
  const [code, text] = await why(bob, '--version', '3.0.0');
  assert.equal(code, 1);
  assert.match(text, new RegExp(`^no:\\n  root: .+\\n  ${below}: it is not for that version \\(${top}\\)$`));
  const json = ['--action', 'yank', '--version', '2.0.0', '--json'];
  const [, refusal] = await why(keyOf('ann').keyId, ...json);
  assert.deepEqual(JSON.parse(refusal), {
    may: false,
    reasons: [
      { under: null, reason: 'holder', at: null },
      { under: top, reason: 'permission', at: top },
    ],
  });
});

test('keys that not every reader verifies sign no record, and hold nothing', async () => {
  await start('test:exotic');
  const { publicKey } = await newKey('goldilocks', 'Ed448');
  const refused = [
    await publish('test:by-ed448', '1.0.0', 'goldilocks'),
    await publish('test:exotic', '2.0.0', 'default', '--cosign', 'goldilocks'),
    await user.run('grant', 'test:exotic', '--to', publicKey, '--json', ...at),
    await user.run('transfer', 'test:exotic', '--to', publicKey, '--json', ...at),
  ];
  for (const outcome of refused) {
    assert.deepEqual([outcome.code, codeOf(outcome)], [64, 'usage/invalid'], outcome.stderr);
    assert.match(outcome.stderr, /Ed448/);
  }
});

/** A mistake, and the command that its error names. */
const MISTAKES: readonly (readonly [exit: number, next: RegExp, ...args: readonly string[]])[] = [
  [64, /waybill upgrade/, 'grant', 'test:old', '--role', 'publisher', '--to', 'jwk:e30'],
  [64, /waybill upgrade/, 'restore', 'test:old@1.0.0'],
  [64, /waybill upgrade/, 'yank', 'test:old@1.0.0', '--reason', 'so'],
  [64, /waybill upgrade/, 'transfer', 'test:old', '--to', 'bob'],
  [64, /waybill upgrade/, 'publish', CORE_MODULE, '--package', 'test:old', '--version', '2.0.0', '--key', 'ann'],
  [64, /waybill upgrade/, 'record', 'test:old', '--grant', 'ann'],
  [64, /waybill revoke/, 'revoke', 'test:old', '--grant', `sha256:${'00'.repeat(32)}/0`],
  [64, /waybill revoke/, 'revoke', 'test:new'],
  [64, /waybill who/, 'revoke', 'test:new', '--from', 'bob'],
  [64, /waybill who/, 'upgrade', 'test:new'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--role', 'king'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--permissions', 'fly'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--versions', '1.0.0'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--until', 'soon'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--max-size', '-1'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--media-type', 'wasm'],
  [64, /waybill grant/, 'grant', 'test:new', '--to', 'bob', '--threshold', '2'],
  [77, /waybill grant/, 'publish', CORE_MODULE, '--package', 'test:new', '--version', '2.0.0', '--key', 'bob'],
  [77, /waybill who/, 'grant', 'test:new', '--to', 'bob', '--under', `sha256:${'00'.repeat(32)}/0`],
  [77, /waybill who/, 'revoke', 'test:new', '--grant', `sha256:${'00'.repeat(32)}/0`],
  [77, /waybill info/, 'restore', 'test:new@1.0.0'],
  [68, /waybill key list/, 'upgrade', 'test:old', '--key', 'nobody'],
  [68, /waybill key list/, 'upgrade', 'test:old', '--cosign', 'nobody'],
];

test('every mistake with version 1 names the command that helps', async () => {
  await start('test:new');
  assertDone(await publish('test:old', '1.0.0', 'default'));
  for (const [exit, next, ...args] of MISTAKES) {
    const isKey = (i: number): boolean => ['--to', '--from', '--grant', '--revoke'].includes(args[i - 1] ?? '');
    const given = args.map((arg, i) => (isKey(i) ? (keys.get(arg)?.publicKey ?? arg) : arg));
    const { code, stderr } = await user.run(...given, ...at);
    assert.equal(code, exit, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, next, args.join(' '));
  }
});

test('the commands of version 1 have help with an example, and completions', async () => {
  for (const command of ['grant', 'revoke', 'upgrade', 'transfer', 'who', 'yank', 'restore']) {
    assert.match(await user.ok(command, '--help'), new RegExp(`waybill ${command} demo:hello`));
    assert.ok((await user.ok('__complete', command.slice(0, 2))).split('\n').some((line) => line.startsWith(command)));
  }
  const flags = await user.ok('__complete', 'grant', '--');
  for (const flag of ['--under', '--until', '--versions', '--media-type', '--max-size', '--threshold', '--role']) {
    assert.ok(flags.includes(flag), flag);
  }
});
