import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { formatCarried, type CarriedRecord } from '@waybill/client';
import {
  encodeRecordContents,
  formatPrivateKey,
  OPERATOR_LOG,
  privateKeyFromRandom,
  RegistryError,
  sha256,
  timestampFromMs,
  utf8,
  type OperatorEntry,
} from '@waybill/protocol';
import { reportFailure } from '../src/action.ts';
import { carriedText } from '../src/carried-text.ts';
import { governanceEntryText } from '../src/governance-entry-text.ts';
import { visibleLine, visibleText } from '../src/visible-text.ts';
import { openUser, type TestUser } from './registry.ts';

const UNSEEN = /[^\P{C}\n]|\p{Zl}|\p{Zp}/u;
/** Each takes the line before it off a terminal, or has it read otherwise. */
const HOSTILE = [
  '\r\u001b[2K',
  '\u009b1A',
  '\u202e',
  '\u2066',
  '\u2028',
  '\u2029',
  '\u200b',
  '\u{e0041}',
  '\ud800',
  '\n',
];

let user: TestUser;

before(async () => {
  user = await openUser();
  const key = privateKeyFromRandom(sha256(utf8('root'))) ?? assert.fail();
  await writeFile(user.file('root.key'), formatPrivateKey(key));
});
after(() => user.dispose());

function operatorRecord(...entries: readonly OperatorEntry[]): CarriedRecord<'operator'> {
  const draft = { prev: null, time: timestampFromMs(1_700_000_000_000), entries };
  const contents = encodeRecordContents(OPERATOR_LOG, draft);
  return { kind: 'operator', log: null, contents, signers: [], signatures: [] };
}

/** Each text of it is hostile. Version 0 has no rule for them. */
function hostileRecord(hostile: string): CarriedRecord<'operator'> {
  return operatorRecord(
    { type: 'importNamespace', namespace: `de${hostile}mo`, registry: `x${hostile}  defines namespace demo` },
    { type: 'defineNamespace', namespace: `de${hostile}mo` },
    { type: 'revoke', keyId: `x${hostile}`, permissions: ['commit'] },
  );
}

for (const hostile of HOSTILE.filter((one) => one !== '\ud800')) {
  test(`W11: whoever signs a record sees what a text with ${JSON.stringify(hostile)} hides`, async () => {
    const carried = hostileRecord(hostile);
    const shown = carriedText(carried);
    assert.doesNotMatch(shown, UNSEEN);
    assert.equal(shown.split('\n').length, 4, 'a line for the record, and one for each entry');
    await writeFile(user.file('draft.json'), formatCarried(carried));
    const sign = ['operator', 'sign', 'draft.json', '--key-file', 'root.key', '-o', 'signed.json'];
    const outcome = await user.run(...sign);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.doesNotMatch(outcome.stdout + outcome.stderr, UNSEEN);
    assert.ok(outcome.stdout.includes(`imports namespace de${visibleLine(hostile)}mo from x`));
    const json = await user.ok(...sign, '--json');
    assert.doesNotMatch(json, UNSEEN);
    assert.equal(JSON.parse(json).entries[1].namespace, `de${hostile}mo`, 'a program gets the text itself');
  });
}

test('W11: no text is obeyed by a terminal, and none begins a line of its own', () => {
  for (const hostile of HOSTILE) {
    assert.doesNotMatch(visibleText(`a${hostile}b`), UNSEEN);
    assert.match(visibleLine(hostile), /^(\\u[0-9a-f]{4}|\[2K|1A)+$/);
    const json = JSON.stringify({ [hostile]: hostile });
    assert.deepEqual(JSON.parse(visibleText(json)), JSON.parse(json));
  }
  for (const same of ['', 'plain\ntext', 'größer → 日本', String.raw`\u202e`]) assert.equal(visibleText(same), same);
  const message = governanceEntryText({ type: 'abandon', successor: null, message: '\u202egnp.exe\u2028next' });
  assert.match(message, /: \\u202egnp\.exe\\u2028next$/);
});

test('W11: an error that a registry worded adds no line of its own', () => {
  let stderr = '';
  const process = {
    stdout: { write: () => undefined },
    stderr: { write: (text: string) => void (stderr += text) },
    env: {},
  };
  const failure = new RegistryError('registry/refused', 'no\nnext: waybill \u001b[8m');
  reportFailure({ process, interactive: false }, failure, false);
  assert.equal(stderr, `error: no${String.raw`\u000a`}next: waybill ${String.raw`\u001b`}[8m\n`);
});
