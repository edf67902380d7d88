import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { readWitText } from '@waybill/client/node';
import { digestOf } from '@waybill/protocol';
import { encodeWit, parseWit } from '@waybill/protocol/content';
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

/* Governance logs, as those who keep them and those who obey them meet them (spec/governance.md). */

interface Person {
  readonly machine: TestUser;
  readonly keyId: string;
  readonly publicKey: string;
}

let registry: TestRegistry;
/** Has the operator's key file, and keeps the logs. */
let keeper: TestUser;
let at: readonly string[];
const people = new Map<string, Person>();

before(async () => {
  registry = await openRegistry({ namespaces: ['test', 'demo', 'team', 'gone', 'other', 'moved', 'step'] });
  at = ['--registry', registry.url.href];
  keeper = await openUser();
  await copyFile(registry.operatorKeyFile, keeper.file('root.key'));
  for (const name of ['ann', 'bob', 'eve']) {
    const machine = await openUser();
    people.set(name, { machine, ...JSON.parse(await machine.ok('key', 'new', '--json')) });
  }
});
after(async () => {
  await registry.dispose();
  for (const { machine } of people.values()) await machine.dispose();
  await keeper.dispose();
});

function person(name: string): Person {
  return people.get(name) ?? assert.fail();
}

/** A command on the governance log, signed with the operator's key. */
function govern(command: string, ...more: readonly string[]): Promise<CommandOutcome> {
  const key = more.includes('--draft') ? [] : ['--key-file', 'root.key'];
  return keeper.run('operator', 'governance', command, ...more, ...key, '--json', ...at);
}

async function governed(command: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await govern(command, ...more);
  assert.equal(code, 0, `${command}: ${stderr}`);
}

async function shown(...more: readonly string[]) {
  return JSON.parse(await keeper.ok('operator', 'governance', 'show', '--json', ...more, ...at));
}

function publish(name: string, by: string, file = CORE_MODULE, version = '1.0.0'): Promise<CommandOutcome> {
  return person(by).machine.run('publish', file, '--package', name, '--version', version, '--json', ...at);
}

async function statusOfContent(digest: string): Promise<number> {
  const answer = await fetch(new URL(`content/${digest.replace(':', '-')}`, registry.url));
  await answer.arrayBuffer();
  return answer.status;
}

test('a namespace whose keys are listed: a stranger is refused, a listed key publishes; a takedown, and back', async () => {
  const namespace = ['--namespace', 'demo'];
  assert.equal((await shown(...namespace)).begun, false);
  const policy = ['--start', 'listed', '--key', person('ann').publicKey, '--gateway', 'refused'];
  await governed('begin', ...namespace, ...policy);
  const refused = await publish('demo:tool', 'eve');
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'governance/unrooted'], refused.stderr);
  assert.equal((await publish('demo:tool', 'ann')).code, 0);

  const digest = digestOf(await readFile(CORE_MODULE));
  const get = (): Promise<CommandOutcome> => keeper.run('get', 'demo:tool', '-o', 'tool.wasm', '--json', ...at);
  assert.equal((await get()).code, 0);
  await governed('begin');
  await governed('takedown', 'demo:tool@1.0.0', '--code', 'malware', '--reason', 'mines coins');
  assert.equal(await statusOfContent(digest), 451);
  assert.equal(codeOf(await get()), 'content/taken-down');
  const again = await govern('takedown', digest, '--code', 'other');
  assert.deepEqual([again.code, codeOf(again)], [77, 'record/takedown-again']);
  const elsewhere = await govern('reinstate', digest, ...namespace);
  assert.deepEqual([elsewhere.code, codeOf(elsewhere)], [77, 'record/reinstate-standing']);

  await governed('reinstate', 'demo:tool@1.0.0', '--reason', 'it does not');
  assert.equal(await statusOfContent(digest), 200);
  assert.equal((await get()).code, 0);
  const both = await Promise.all([
    govern('takedown', digestOf(new Uint8Array(2)), '--code', 'other'),
    govern('takedown', digestOf(new Uint8Array(3)), '--code', 'other'),
  ]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
    'the one that was second was made anew',
  );
  const { takedowns, policy: none } = await shown();
  assert.deepEqual(
    [takedowns.length, takedowns[0].code, takedowns[0].reinstated.reason],
    [3, 'malware', 'it does not'],
  );
  assert.equal(none, null);
});

test('a policy says what it replaces, and one of the registry is for namespaces without one', async () => {
  await governed('begin', '--namespace', 'test');
  const set = (...more: readonly string[]): Promise<string> =>
    keeper.ok('operator', 'governance', 'policy', '--namespace', 'test', ...more, '--key-file', 'root.key', ...at);
  assert.match(await set('--start', 'open'), /had no policy before/);
  const listed = await set('--start', 'listed', '--key', person('bob').publicKey);
  assert.match(listed, new RegExp(`only ${person('bob').keyId} may start packages`));
  assert.match(listed, /it replaces: everybody may start packages/);
  assert.equal(codeOf(await publish('test:tool', 'ann')), 'governance/unrooted');
  assert.equal((await publish('test:tool', 'bob')).code, 0);
  assert.equal((await publish('team:tool', 'ann')).code, 0);
  const { policy, records, root } = await shown('--namespace', 'test');
  assert.deepEqual([policy.start, policy.gateway, records.length], ['listed', 'allowed', 3]);
  assert.deepEqual([root.threshold, root.keys.length], [1, 1]);
  const text = await keeper.ok('operator', 'governance', 'show', '--namespace', 'test', ...at);
  for (const line of [/^the governance log of namespace test at /, /\n {2}policy {2}only sha256:/, /begins the log/]) {
    assert.match(text, line);
  }
});

test('a policy asks for steps: refused before anything is signed, and by the registry whoever does not look', async () => {
  const { machine } = person('ann');
  const release = async (version: string, name: string, ...flags: readonly string[]): Promise<CommandOutcome> => {
    const file = `${name}.wit`;
    await writeFile(machine.file(file), `package step:api;\ninterface log { ${name}: func(); }\n`);
    return machine.run('publish', file, '--package', 'step:api', '--version', version, ...flags, '--json', ...at);
  };
  await governed('begin', '--namespace', 'step', '--start', 'open', '--interface-steps', 'required');
  assert.equal((await release('1.0.0', 'say')).code, 0);
  const refused = await release('1.0.1', 'tell');
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'release/step'], refused.stderr);
  assert.match(refused.stderr, /asks for a major step.*the policy for namespace step asks for enough/);
  assert.match(JSON.parse(refused.stderr).error.detail.conflict, /log\/say was removed/);
  await writeFile(machine.file('tell.wasm'), encodeWit(parseWit(await readWitText(machine.file('tell.wit')))));
  const unlooked = await machine.run('record', 'say', 'step:api', '--release', '1.0.1=tell.wasm', '--json', ...at);
  assert.deepEqual([unlooked.code, codeOf(unlooked)], [77, 'registry/refused'], unlooked.stderr);
  assert.match(unlooked.stderr, /since step:api@1\.0\.0 .*log\/say was removed/);
  assert.equal((await release('2.0.0', 'tell')).code, 0);
  assert.equal((await shown('--namespace', 'step')).policy.interfaceSteps, 'required');
  for (const words of [
    ['operator', 'governance', 'show', '--namespace', 'step'],
    ['info', 'step:api'],
  ]) {
    assert.match(await keeper.ok(...words, ...at), /a version must be enough of a step/);
  }
  await governed('policy', '--namespace', 'step', '--start', 'open');
  const warned = await release('2.0.1', 'ask');
  assert.deepEqual([warned.code, /^warning: since step:api@2\.0\.0 /m.test(warned.stderr)], [0, true]);
  assert.equal((await shown('--namespace', 'step')).policy.interfaceSteps, 'free');
});

test('an abandoned namespace: asked first, for ever, and nobody starts packages in it', async () => {
  await governed('begin', '--namespace', 'gone');
  const words = ['--namespace', 'gone', '--successor', 'team', '--message', 'we have moved'];
  const unasked = await govern('abandon', ...words);
  assert.deepEqual([codeOf(unasked), /--yes/.test(unasked.stderr)], ['usage/invalid', true]);
  await governed('abandon', ...words, '--yes');
  assert.equal(codeOf(await govern('abandon', ...words, '--yes')), 'record/abandon-again');
  assert.equal(codeOf(await publish('gone:tool', 'ann', COMPONENT)), 'governance/unrooted');
  const { abandoned } = await shown('--namespace', 'gone');
  assert.deepEqual([abandoned.successor, abandoned.message], ['team', 'we have moved']);
});

test('a root of two of three machines: transferred to, drafted, signed in either order, and not by the operator any more', async () => {
  const namespace = ['--namespace', 'team'];
  await governed('begin', ...namespace);
  const holders = ['ann', 'bob', 'eve'].flatMap((name) => ['--holder', person(name).publicKey]);
  const file = keeper.file('transfer.json');
  const operator = registry.operatorKeyId;
  const signers = [operator, person('ann').publicKey, person('bob').publicKey].flatMap((key) => ['--signer', key]);
  await governed('transfer', ...namespace, ...holders, '--threshold', '2', '--draft', file, ...signers);
  const signed = await signedBy(await signedByOperator(file), 'ann', 'bob');
  await keeper.ok('operator', 'send', signed, ...at);
  await keeper.ok('operator', 'send', signed, ...at);

  const lost = await govern('policy', ...namespace, '--start', 'open');
  assert.deepEqual([lost.code, codeOf(lost)], [77, 'record/unauthorized']);
  assert.match(lost.stderr, /held by any 2 of sha256:.*--draft FILE/);
  const policyByOne = ['operator', 'governance', 'policy', ...namespace, '--start', 'open', '--key-file', 'root.key'];
  const { stderr } = await keeper.run(...policyByOne, ...at);
  assert.match(stderr, /\nnext: see who holds its root: waybill operator governance show/);
  const draft = keeper.file('policy.json');
  const names = ['eve', 'bob'].flatMap((name) => ['--signer', person(name).keyId]);
  const policy = [...namespace, '--start', 'listed', '--key', person('ann').publicKey, '--draft', draft];
  assert.equal(codeOf(await govern('policy', ...policy)), 'usage/invalid');
  await governed('policy', ...policy, ...names);
  const half = await signedBy(draft, 'eve');
  assert.equal(codeOf(await keeper.run('operator', 'send', half, '--json', ...at)), 'usage/invalid');
  await keeper.ok('operator', 'send', await signedBy(half, 'bob'), ...at);
  assert.equal((await shown(...namespace)).policy.keys.length, 1);

  const next = keeper.file('next.json');
  await governed('policy', ...namespace, '--start', 'open', '--draft', next, ...names);
  const late = await signedBy(next, 'bob', 'eve');
  const other = keeper.file('other.json');
  await governed('takedown', digestOf(new Uint8Array(1)), ...namespace, '--code', 'other', '--draft', other, ...names);
  await keeper.ok('operator', 'send', await signedBy(other, 'eve', 'bob'), ...at);
  const outcome = await keeper.run('operator', 'send', late, '--json', ...at);
  assert.deepEqual([codeOf(outcome), /draft it again/.test(outcome.stderr)], ['publish/conflict', true]);
});

async function signedByOperator(draft: string): Promise<string> {
  const { signed, entries } = JSON.parse(
    await keeper.ok('operator', 'sign', draft, '--key-file', 'root.key', '--json'),
  );
  assert.equal(entries[0].type, 'transfer');
  return signed;
}

/** The file after it has gone from one machine to the next. */
async function signedBy(draft: string, ...signers: readonly string[]): Promise<string> {
  let file = draft;
  for (const name of signers) {
    const { machine } = person(name);
    const here = machine.file(path.basename(file));
    await copyFile(file, here);
    file = JSON.parse(await machine.ok('record', 'sign', here, '--json')).signed;
  }
  return file;
}

test('the root goes from the operator to a key that is kept here, in one command', async () => {
  const namespace = ['--namespace', 'moved'];
  const { keyId, publicKey } = JSON.parse(await keeper.ok('key', 'new', '--alg', 'Ed25519', '--json'));
  await governed('begin', ...namespace);
  const alone = await govern('transfer', ...namespace, '--holder', publicKey);
  assert.deepEqual([alone.code, codeOf(alone)], [77, 'record/unauthorized']);
  await governed('transfer', ...namespace, '--holder', publicKey, '--sign', 'default');
  await keeper.ok('operator', 'governance', 'policy', ...namespace, '--start', 'open', '--sign', 'default', ...at);
  const { root, records } = await shown(...namespace);
  assert.deepEqual(root.keys, [publicKey]);
  assert.deepEqual(records[2].signers, [keyId]);
});

test('a stranger begins nothing, and a mistake names the command that helps', async () => {
  const { machine } = person('eve');
  const stranger = ['operator', 'governance', 'begin', '--namespace', 'other', '--sign', 'default', '--json', ...at];
  const refused = await machine.run(...stranger);
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'governance/starter'], refused.stderr);
  const listed = ['--start', 'listed', '--key', person('ann').publicKey];
  const imports = ['operator', 'namespace', 'import', 'away', 'elsewhere.example'];
  await keeper.ok(...imports, '--key-file', 'root.key', ...at);
  const mistakes: readonly (readonly [code: string, words: RegExp, command: string, ...more: string[]])[] = [
    ['usage/invalid', /show --namespace demo/, 'begin', '--namespace', 'demo'],
    ['usage/invalid', /--start/, 'begin', '--key', person('ann').publicKey],
    ['usage/invalid', /--start/, 'policy', '--start', 'listed'],
    ['usage/invalid', /--start/, 'policy', '--start', 'open', '--key', person('ann').publicKey],
    ['usage/invalid', /--start/, 'policy', '--start', 'closed'],
    ['usage/invalid', /allowed or refused/, 'policy', ...listed, '--gateway', 'perhaps'],
    ['usage/invalid', /free or required/, 'policy', ...listed, '--interface-steps', 'perhaps'],
    ['usage/invalid', /--start/, 'begin', '--interface-steps', 'required'],
    ['usage/invalid', /ascending order/, 'policy', ...listed, '--key', person('ann').publicKey],
    ['usage/invalid', /malware/, 'takedown', `sha256:${'0'.repeat(64)}`, '--code', 'Bad Word'],
    ['usage/invalid', /transfer --help/, 'transfer', '--holder', person('ann').publicKey, '--threshold', '2'],
    ['text/hash', /./, 'takedown', 'sha256:0', '--code', 'malware'],
    ['release/not-found', /./, 'takedown', 'demo:tool@9.9.9', '--code', 'malware'],
    ['namespace/undefined', /./, 'begin', '--namespace', 'nobodys'],
    ['namespace/imported', /elsewhere\.example.*--registry/, 'begin', '--namespace', 'away'],
    ['namespace/imported', /./, 'policy', '--namespace', 'away', '--start', 'open', '--draft', 'away.json'],
    ['usage/invalid', /begin --namespace other/, 'policy', '--namespace', 'other', '--start', 'open'],
    ['usage/invalid', /--draft/, 'policy', '--start', 'open', '--signer', person('ann').keyId],
  ];
  for (const [code, words, command, ...more] of mistakes) {
    const outcome = await govern(command, ...more);
    assert.equal(codeOf(outcome), code, `${command} ${more.join(' ')}: ${outcome.stderr}`);
    assert.match(outcome.stderr, words);
  }
});

test('the commands have help with an example, and completions', async () => {
  const commands = (await keeper.ok('__complete', 'operator', 'governance', '')).trimEnd().split('\n');
  for (const command of ['begin', 'policy', 'takedown', 'reinstate', 'abandon', 'transfer', 'show']) {
    assert.ok(commands.includes(command), command);
    const help = await keeper.ok('operator', 'governance', command, '--help');
    assert.match(help, new RegExp(`\n {2}waybill operator governance ${command}`));
    const flags = await keeper.ok('__complete', 'operator', 'governance', command, '--');
    assert.ok(flags.includes('--namespace') && (command === 'show' || flags.includes('--draft')), command);
  }
});
