import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { parsePublicKey, type GovernanceEntry } from '@waybill/protocol';
import { EXIT } from '../../src/exit-code.ts';
import { codeOf, openUser, type TestUser } from '../registry.ts';
import { operatorRecord, GovernanceWriter, keyNamed } from './governance-records.ts';
import { NAMESPACE, ONE, openGovernedStage, TWO, type GovernedStage, type ServedStage } from './governed-stage.ts';

/* What governance logs say is what commands do (spec/governance.md 5 and 6.4). */

let stage: GovernedStage;

before(async () => {
  stage = await openGovernedStage();
});
after(() => stage.dispose());

const STRANGER = keyNamed('stranger');
const LISTED: GovernanceEntry = {
  type: 'policy',
  starters: [STRANGER.publicKey],
  gateway: 'refused',
  interfaceSteps: 'free',
};
const ABANDON: GovernanceEntry = { type: 'abandon', successor: null, message: 'moved away' };

type Play = (user: TestUser, served: ServedStage) => Promise<void>;

async function play(history: Parameters<GovernedStage['serve']>[0], act: Play): Promise<void> {
  const served = await stage.serve(history);
  const user = await openUser({ WAYBILL_REGISTRY: served.url });
  try {
    await act(user, served);
  } finally {
    await user.dispose();
    await served.dispose();
  }
}

async function infoOf(user: TestUser, name: string) {
  return JSON.parse(await user.ok('info', name, '--json'));
}

async function requireRefused(user: TestUser, code: string, ...args: readonly string[]): Promise<void> {
  const outcome = await user.run('get', ...args, '-o', 'out.wasm', '--json');
  assert.equal(outcome.code, EXIT.refused, outcome.stderr);
  assert.equal(codeOf(outcome), code);
  assert.ok(!existsSync(user.file('out.wasm')), 'something was written');
}

test('P2: a package that a key started which is not listed is unrooted: no get, whatever is allowed', async () => {
  const policy = await stage.writer(NAMESPACE).write(LISTED);
  await play([...stage.begun, policy, ...stage.published], async (user) => {
    for (const args of [[ONE], [`${ONE}@1.0.0`], [ONE, '--allow-advisory']]) {
      await requireRefused(user, 'governance/unrooted', ...args);
    }
    const { rootedness, governance } = await infoOf(user, ONE);
    assert.deepEqual(rootedness, { verdict: 'unrooted', reason: 'key', by: 'namespace' });
    assert.deepEqual([governance.policy.start, governance.policy.keys], ['listed', [STRANGER.publicKey.text]]);
    assert.match(await user.ok('info', ONE), /is unrooted: .*\n {2}policy of namespace test: only /);
    assert.match(await user.ok('head', ONE), /2 versions, unrooted/);
    const file = stage.publisher.file(`${TWO}-1.0.0.wasm`);
    const verified = await user.run('verify', file, '--package', TWO, '--json');
    assert.equal(codeOf(verified), 'governance/unrooted');
  });
});

test('P2: what the registry lists holds where the namespace says nothing, and not where it does', async () => {
  const registrys = await stage.writer(null).write(LISTED);
  await play([...stage.begun, registrys, ...stage.published], async (user) => {
    await requireRefused(user, 'governance/unrooted', ONE);
    assert.equal((await infoOf(user, ONE)).rootedness.by, 'registry');
  });
  const open = await stage
    .writer(NAMESPACE)
    .write({ type: 'policy', starters: 'open', gateway: 'allowed', interfaceSteps: 'free' });
  await play([...stage.begun, registrys, open, ...stage.published], async (user) => {
    await user.ok('get', ONE);
    assert.equal((await infoOf(user, ONE)).governance.policy.by, 'namespace');
  });
});

test('a listed key roots, and what is said after a package was started changes nothing', async () => {
  const writer = stage.writer(NAMESPACE);
  const listed = await writer.write({
    type: 'policy',
    starters: [stage.publisherKey],
    gateway: 'refused',
    interfaceSteps: 'free',
  });
  const later = await writer.write(LISTED, ABANDON);
  await play([...stage.begun, listed, ...stage.published, later], async (user) => {
    await user.ok('get', ONE);
    const { rootedness, governance } = await infoOf(user, ONE);
    assert.equal(rootedness.verdict, 'rooted');
    assert.equal(governance.abandoned.message, 'moved away');
    assert.match(await user.ok('info', ONE), /namespace test is abandoned: moved away/);
  });
});

test('P2: a package that began after its namespace was abandoned is unrooted; one from before is not', async () => {
  const abandoned = await stage.writer(NAMESPACE).write({ ...ABANDON, successor: NAMESPACE });
  const isOfOne = ({ name }: { readonly name: string | null }): boolean => name === ONE;
  const [one, two] = [stage.published.filter(isOfOne), stage.published.filter((record) => !isOfOne(record))];
  await play([...stage.begun, ...one, abandoned, ...two], async (user) => {
    await user.ok('get', ONE);
    await requireRefused(user, 'governance/unrooted', TWO);
    assert.equal((await infoOf(user, TWO)).rootedness.reason, 'abandoned');
    assert.match(await user.ok('info', ONE), /is abandoned, succeeded by test: moved away/);
  });
});

test('what is taken down is given to nobody, and a range passes over it', async () => {
  const digest = stage.contents.get(`${ONE}@1.1.0`) ?? assert.fail();
  const takedown: GovernanceEntry = { type: 'takedown', digest, code: 'malware', reason: 'it digs for coins' };
  for (const namespace of [NAMESPACE, null]) {
    const writer = stage.writer(namespace);
    const record = await writer.write(takedown);
    await play([...stage.begun, ...stage.published, record], async (user) => {
      await requireRefused(user, 'content/taken-down', `${ONE}@1.1.0`, '--allow-advisory');
      await requireRefused(user, 'content/taken-down', `${ONE}@>=1.1.0`);
      const { version, warnings } = JSON.parse(await user.ok('get', ONE, '--json'));
      assert.equal(version, '1.0.0');
      assert.equal(warnings.length, 1);
      const { versions } = await infoOf(user, ONE);
      const { code, by } = versions[0].takedown;
      assert.deepEqual({ code, by }, { code: 'malware', by: namespace === null ? 'registry' : 'namespace' });
      assert.ok(!('takedown' in versions[1]));
    });
    const back = await writer.write({ type: 'reinstate', digest });
    await play([...stage.begun, ...stage.published, record, back], async (user) => {
      assert.equal(JSON.parse(await user.ok('get', ONE, '--json')).version, '1.1.0');
    });
  }
});

test('T9: a log that was begun by somebody who might not decides nothing, and is told', async () => {
  const digest = stage.contents.get(`${ONE}@1.1.0`) ?? assert.fail();
  const stranger = new GovernanceWriter(NAMESPACE, STRANGER);
  const begun = await stranger.write(LISTED, { type: 'takedown', digest, code: 'other' });
  const grant = await operatorRecord(stage.begun, stage.operatorKey, {
    type: 'grant',
    key: parsePublicKey(STRANGER.publicKey.text),
    permissions: ['defineNamespace'],
  });
  await play([...stage.begun, begun, grant, ...stage.published], async (user) => {
    assert.equal(JSON.parse(await user.ok('get', ONE, '--json')).version, '1.1.0');
    assert.deepEqual((await infoOf(user, ONE)).governance, { policy: null, abandoned: null, void: ['test'] });
    assert.match(await user.ok('info', ONE), /void, as those who began it might not/);
  });
  await play([...stage.begun, grant, begun, ...stage.published], async (user) => {
    await requireRefused(user, 'governance/unrooted', ONE);
  });
});

test('publish refuses before it signs what would be unrooted, or is taken down', async () => {
  const digest = stage.contents.get(`${TWO}@1.0.0`) ?? assert.fail();
  const registrys = await stage.writer(null).write({ type: 'takedown', digest, code: 'secret' });
  const listed = await stage
    .writer(NAMESPACE)
    .write({ type: 'policy', starters: [stage.publisherKey], gateway: 'refused', interfaceSteps: 'free' });
  await play([...stage.begun, ...stage.published, registrys, listed], async (user, { asked, url }) => {
    await user.ok('key', 'new');
    const file = stage.publisher.file(`${ONE}-1.1.0.wasm`);
    const started = await user.run('publish', file, '--package', 'test:new', '--version', '1.0.0', '--json');
    assert.equal(started.code, EXIT.refused, started.stderr);
    assert.equal(codeOf(started), 'governance/unrooted');
    const at = ['--json', '--registry', url];
    const withheld = stage.publisher.file(`${TWO}-1.0.0.wasm`);
    const again = await stage.publisher.run('publish', withheld, '--package', ONE, '--version', '1.2.0', ...at);
    assert.equal(codeOf(again), 'content/taken-down');
    assert.ok(!asked.some((path) => path.endsWith('/record')), 'something was sent');
    await stage.publisher.ok('publish', file, '--package', 'test:new', '--version', '1.0.0', ...at);
  });
});
