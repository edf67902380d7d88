import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf, utf8 } from '@waybill/protocol';
import { codeOf, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

/* A package whose root is any two of three people, each with a machine of their own. */

const NAME = 'test:shared';

interface Person {
  readonly machine: TestUser;
  readonly keyId: string;
  readonly publicKey: string;
}

let registry: TestRegistry;
/** Whoever drafts and sends: needs no key. */
let clerk: TestUser;
let at: readonly string[];
const people = new Map<string, Person>();

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  clerk = await openUser();
  for (const [name, algorithm] of [
    ['ann', 'Ed25519'],
    ['bob', 'ES256'],
    ['cyd', 'ES256'],
    ['eve', 'ES256'],
  ] as const) {
    const machine = await openUser();
    people.set(name, { machine, ...JSON.parse(await machine.ok('key', 'new', '--alg', algorithm, '--json')) });
  }
  await begin();
});
after(async () => {
  await registry.dispose();
  for (const { machine } of people.values()) await machine.dispose();
  await clerk.dispose();
});

function person(name: string): Person {
  return people.get(name) ?? assert.fail();
}

/** Bob starts it, upgrades it, and gives it to any two of three: all of the new root sign, each on their own machine. */
async function begin(): Promise<void> {
  const { machine } = person('bob');
  await machine.ok('publish', CORE_MODULE, '--package', NAME, '--version', '1.0.0', ...at);
  await machine.ok('upgrade', NAME, ...at);
  const to = ['ann', 'bob', 'cyd'].flatMap((name) => ['--to', person(name).publicKey]);
  const draft = await drafted(['transfer', NAME, ...to, '--threshold', '2'], 'ann', 'bob');
  await send(await signedBy(draft, 'ann', 'bob'));
}

/** The file of a draft that some are to sign, on the clerk's machine. */
async function drafted(command: readonly string[], ...signers: readonly string[]): Promise<string> {
  const file = clerk.file(`draft-${(files += 1)}.json`);
  const named = signers.flatMap((name) => ['--signer', person(name).publicKey]);
  await clerk.ok(...command, '--draft', file, ...named, ...at);
  return file;
}
let files = 0;

/** The file after it has gone from one machine to the next. */
async function signedBy(draft: string, ...signers: readonly string[]): Promise<string> {
  let file = draft;
  for (const name of signers) {
    const { machine, keyId } = person(name);
    const here = machine.file(path.basename(file));
    await copyFile(file, here);
    const { signed, signedBy: done } = JSON.parse(await machine.ok('record', 'sign', here, '--json'));
    assert.ok(done.includes(keyId));
    file = signed;
  }
  return file;
}

async function send(file: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await clerk.run('record', 'send', file, ...more, ...at);
  assert.equal(code, 0, stderr);
}

async function statusOf(version: string): Promise<string> {
  const { versions } = JSON.parse(await clerk.ok('info', NAME, '--json', ...at));
  return versions.find((one: { version: string }) => one.version === version)?.status ?? 'not there';
}

const ORDERS = [
  ['ann', 'cyd'],
  ['cyd', 'ann'],
  ['bob', 'cyd'],
] as const;

for (const [i, order] of ORDERS.entries()) {
  test(`${order.join(' and ')} sign in that order, and the version is ${i % 2 === 0 ? 'yanked' : 'restored'}`, async () => {
    const command = i % 2 === 0 ? 'yank' : 'restore';
    const draft = await drafted([command, `${NAME}@1.0.0`, '--reason', 'so'], ...[...order].toSorted());
    await send(await signedBy(draft, ...order));
    assert.equal(await statusOf('1.0.0'), i % 2 === 0 ? 'yanked' : 'released');
  });
}

test('two who sign apart send both files', async () => {
  const draft = await drafted(['restore', `${NAME}@1.0.0`], 'ann', 'bob');
  const [first, second] = [await signedBy(draft, 'ann'), await signedBy(draft, 'bob')];
  await send(first, second);
  assert.equal(await statusOf('1.0.0'), 'released');
});

test('a release is drafted, signed and sent with its file; sent again it is sent once', async () => {
  const draft = await drafted(['publish', CORE_MODULE, '--package', NAME, '--version', '2.0.0'], 'bob', 'cyd');
  const signed = await signedBy(draft, 'cyd', 'bob');
  const without = await clerk.run('record', 'send', signed, '--json', ...at);
  assert.deepEqual([codeOf(without), /--content/.test(without.stderr)], ['usage/invalid', true]);
  await send(signed, '--content', CORE_MODULE);
  await send(signed, '--content', CORE_MODULE);
  assert.equal(await statusOf('2.0.0'), 'released');
});

test('an annotation and a grant are signed together as well', async () => {
  const said = ['deprecate', `${NAME}@1.0.0`, '--message', 'old'];
  await send(await signedBy(await drafted(said, 'ann', 'bob'), 'ann', 'bob'));
  const given = ['grant', NAME, '--to', person('eve').publicKey, '--permissions', 'yank'];
  const draft = await drafted(given, 'ann', 'bob');
  const shown = await person('ann').machine.ok('record', 'show', draft);
  assert.match(shown, new RegExp(`the log of ${NAME}.*\n  granted yank on ${NAME} to ${person('eve').keyId}\n`));
  assert.match(shown, new RegExp(`${person('ann').keyId}  not yet`));
  await send(await signedBy(draft, 'bob', 'ann'));
  const { grants } = JSON.parse(await clerk.ok('who', NAME, '--json', ...at));
  assert.equal(grants.length, 1);
});

test('without enough signers nothing is drafted, and without all signatures nothing is sent', async () => {
  const yank = ['yank', `${NAME}@2.0.0`, '--draft', clerk.file('few.json'), '--json', ...at];
  assert.equal(codeOf(await clerk.run(...yank, '--signer', person('ann').keyId)), 'record/unauthorized');
  const unnamed = await clerk.run(...yank);
  assert.equal(codeOf(unnamed), 'usage/invalid');
  assert.match(unnamed.stderr, new RegExp(`2 of .*${person('cyd').keyId}`));
  const unknown = await clerk.run(...yank, '--signer', person('eve').keyId, '--signer', `sha256:${'0'.repeat(64)}`);
  assert.equal(codeOf(unknown), 'usage/invalid');

  const draft = await drafted(['yank', `${NAME}@2.0.0`], 'ann', 'bob');
  const half = await signedBy(draft, 'ann');
  for (const file of [draft, half]) {
    const outcome = await clerk.run('record', 'send', file, '--json', ...at);
    assert.equal(codeOf(outcome), 'usage/invalid');
    assert.match(outcome.stderr, new RegExp(`${person('bob').keyId}.*waybill record sign`));
  }
  assert.equal(await statusOf('2.0.0'), 'released');
});

test('T9: who is not among the signers does not sign, nor twice, and the file stays as it is', async () => {
  const half = await signedBy(await drafted(['yank', `${NAME}@2.0.0`], 'ann', 'bob'), 'ann');
  const kept = await readFile(half, 'utf8');
  for (const name of ['cyd', 'ann']) {
    const { machine } = person(name);
    assert.equal(codeOf(await machine.run('record', 'sign', half, '--json')), 'usage/invalid', name);
    assert.equal(await readFile(half, 'utf8'), kept);
  }
});

test('P6: a file that was changed on the way is neither signed nor sent', async () => {
  const half = await signedBy(await drafted(['yank', `${NAME}@2.0.0`], 'ann', 'bob'), 'ann');
  const other = JSON.parse(await readFile(await drafted(['yank', `${NAME}@1.0.0`], 'ann', 'bob'), 'utf8'));
  const body = JSON.parse(await readFile(half, 'utf8'));
  for (const [change, code] of [
    [{ contentBytes: other.contentBytes }, 'record/signature'],
    [{ log: 'test:other' }, 'usage/invalid'],
    [{ kind: 'governance', log: 'test' }, 'usage/invalid'],
    [{ signers: [person('ann').publicKey, person('cyd').publicKey] }, 'usage/invalid'],
    [{ signatures: [{ keyId: person('bob').keyId, signature: 'jws:e30..' }] }, 'record/signature'],
  ] as const) {
    const file = clerk.file('changed.json');
    await writeFile(file, JSON.stringify({ ...body, ...change }));
    const { machine } = person('bob');
    for (const outcome of [
      await machine.run('record', 'sign', file, '--json'),
      await clerk.run('record', 'send', file, '--json', ...at),
    ]) {
      assert.equal(codeOf(outcome), code, JSON.stringify(change));
    }
  }
});

test('a draft that another record has overtaken is drafted again', async () => {
  const [first, second] = [
    await drafted(['yank', `${NAME}@1.0.0`], 'ann', 'bob'),
    await drafted(['yank', `${NAME}@2.0.0`], 'bob', 'cyd'),
  ];
  const late = await signedBy(second, 'bob', 'cyd');
  await send(await signedBy(first, 'ann', 'bob'));
  const outcome = await clerk.run('record', 'send', late, '--json', ...at);
  assert.equal(codeOf(outcome), 'publish/conflict');
  assert.match(outcome.stderr, /draft it again/);
  assert.equal(await statusOf('2.0.0'), 'released');
});

test('two start a package together, and hand it on', async () => {
  const publish = ['publish', CORE_MODULE, '--package', 'test:joint', '--version', '1.0.0'];
  await send(await signedBy(await drafted(publish, 'ann', 'bob'), 'bob', 'ann'), '--content', CORE_MODULE);
  const root = async () => JSON.parse(await clerk.ok('who', 'test:joint', '--json', ...at)).root;
  assert.deepEqual([(await root()).threshold, (await root()).keys.length], [2, 2]);
  // Where all keys of the old root and of the new one sign, nobody has to be named.
  const transfer = await drafted(['transfer', 'test:joint', '--to', person('eve').publicKey]);
  await send(await signedBy(transfer, 'eve', 'ann', 'bob'));
  assert.deepEqual((await root()).keys, [person('eve').publicKey]);
});

test('in a package of version 0 nothing is drafted, but its upgrade', async () => {
  const { machine, keyId, publicKey } = person('bob');
  await machine.ok('publish', CORE_MODULE, '--package', 'test:plain', '--version', '1.0.0', ...at);
  const file = clerk.file('plain.json');
  const draft = ['--draft', file, '--signer', publicKey, '--json', ...at];
  const refused = await clerk.run('yank', 'test:plain@1.0.0', ...draft);
  assert.deepEqual([codeOf(refused), /waybill upgrade/.test(refused.stderr)], ['usage/invalid', true]);
  assert.equal(codeOf(await clerk.run('upgrade', 'test:plain', '--draft', file, '--json', ...at)), 'usage/invalid');
  await clerk.ok('upgrade', 'test:plain', ...draft);
  await send(await signedBy(file, 'bob'));
  const { root } = JSON.parse(await clerk.ok('who', 'test:plain', '--json', ...at));
  assert.equal(root.keys.length, 1, keyId);
});

test('nothing is drafted that names content which is taken down', async () => {
  await writeFile(clerk.file('README.md'), '# Taken down');
  const govern = ['operator', 'governance'];
  const byOperator = ['--key-file', registry.operatorKeyFile, ...at];
  await clerk.ok(...govern, 'begin', ...byOperator);
  await clerk.ok(...govern, 'takedown', digestOf(utf8('# Taken down')), '--code', 'other', ...byOperator);
  const annotate = ['annotate', NAME, '--type', 'readme', '--file', 'README.md', '--media-type', 'text/markdown'];
  const signers = ['ann', 'bob'].flatMap((name) => ['--signer', person(name).keyId]);
  const outcome = await clerk.run(...annotate, '--draft', 'readme.json', ...signers, '--json', ...at);
  assert.equal(codeOf(outcome), 'content/taken-down', outcome.stderr);
});

test('signers are named for drafts alone, and every command that makes a record takes them', async () => {
  const outcome = await person('ann').machine.run(
    'yank',
    `${NAME}@2.0.0`,
    '--signer',
    person('bob').keyId,
    ...at,
    '--json',
  );
  assert.equal(codeOf(outcome), 'usage/invalid');
  for (const command of [
    'publish',
    'grant',
    'revoke',
    'transfer',
    'upgrade',
    'yank',
    'restore',
    'annotate',
    'deprecate',
  ]) {
    const flags = await clerk.ok('__complete', command, '--');
    for (const flag of ['--draft', '--signer']) assert.ok(flags.includes(flag), `${command} ${flag}`);
  }
  const commands = (await clerk.ok('__complete', 'record', '')).trimEnd().split('\n');
  for (const command of ['say', 'send', 'show', 'sign']) {
    assert.ok(
      commands.some((line) => line.startsWith(command)),
      command,
    );
    assert.match(
      await clerk.ok('record', command, '--help'),
      new RegExp(`waybill record ${command === 'say' ? '' : command}`),
    );
  }
  assert.match(await clerk.ok('record', '--help'), /waybill record demo:hello/);
});
