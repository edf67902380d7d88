import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { formatCarried } from '@waybill/client';
import { openUser, type CommandOutcome, type TestUser } from '../registry.ts';
import { GovernanceWriter, keyNamed } from './governance-records.ts';
import { NAMESPACE, openGovernedStage, type GovernedStage, type ServedStage } from './governed-stage.ts';

/* A governance log whose beginner might not begin it: what its people are told. */

const STRANGER = keyNamed('stranger');

let stage: GovernedStage;
let served: ServedStage;
let user: TestUser;

before(async () => {
  stage = await openGovernedStage();
  user = await openUser();
  await user.ok('key', 'new');
  const record = await new GovernanceWriter(NAMESPACE, STRANGER).write();
  served = await stage.serve([...stage.begun, record, ...stage.published]);
  const { contents, keyId, signature } = record.envelope;
  const signatures = [{ keyId, signature }];
  const carried = { kind: 'governance', log: NAMESPACE, contents, signers: [STRANGER.publicKey], signatures } as const;
  await writeFile(user.file('void.json'), formatCarried(carried));
});
after(async () => {
  await user.dispose();
  await served.dispose();
  await stage.dispose();
});

function run(...command: readonly string[]): Promise<CommandOutcome> {
  const at = ['--registry', served.url, '--operator-key', stage.operatorKeyId];
  return user.run('operator', ...command, ...at);
}

for (const [title, ...command] of [
  ['a record for it', 'governance', 'policy', '--namespace', NAMESPACE, '--start', 'open', '--sign', 'default'],
  ['a record that stands in it', 'send', 'void.json'],
] as const) {
  test(`a void log: ${title} decides nothing, and no grant helps`, async () => {
    const { code, stdout, stderr } = await run(...command);
    assert.deepEqual([code, stdout], [77, '']);
    assert.match(stderr, /^error: the log is void/);
    assert.match(stderr, /\nnext: see what it says: waybill operator governance show/);
  });
}
