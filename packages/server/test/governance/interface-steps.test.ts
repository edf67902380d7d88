import assert from 'node:assert/strict';
import { readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import {
  concatBytes,
  digestHex,
  digestOf,
  packageLogId,
  parsePackageName,
  parseVersion,
  timestampFromMs,
  utf8,
  wargApi,
  type GovernanceEntry,
  type JosePrivateKey,
  type PackageEntry,
} from '@waybill/protocol';
import { encodeWit, parseWit, STEP_CONTENT_BYTES_MAX } from '@waybill/protocol/content';
import { governingKey, Governor, OPEN_POLICY } from '../governance.ts';
import { holderNamed, signJointly } from '../joint-record.ts';
import { keyOf, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';
import { releaseAs } from '../test-tree.ts';

/* A policy that asks for steps, and publishers who look at nothing: spec/admission.md 8. Each test has a namespace of its own. */

const ORIGIN = 'registry.example/main';
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];
const STEPS: GovernanceEntry = { ...OPEN_POLICY, interfaceSteps: 'required' };

let registry: RunningRegistry;
let operator: JosePrivateKey;
let namespace: string;
let owner: Governor;
let used = 0;

before(async () => {
  registry = await RunningRegistry.start({
    origin: ORIGIN,
    anyContent: true,
    namespaces: WORDS.map((word) => `space-${word}`),
  });
  operator = await governingKey(registry);
});
after(() => registry.dispose());
beforeEach(() => {
  namespace = `space-${WORDS[used++]}`;
  owner = new Governor(registry, namespace, { origin: ORIGIN, keys: [operator] });
});

async function says(log: Governor, ...entries: readonly GovernanceEntry[]): Promise<void> {
  const answer = log.head === null ? await log.begin(...entries) : await log.append(entries);
  assert.equal(answer.status, 201, new TextDecoder().decode(answer.bytes));
}

function publisher(word: string): Publisher {
  return new Publisher(registry, `${namespace}:${word}`, keyOf('alice'));
}

/** A WIT package of one interface with these functions. */
function witOf(...functions: readonly string[]): Uint8Array {
  const text = `package test:api; interface log { ${functions.map((name) => `${name}: func();`).join(' ')} }`;
  return encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [] }));
}

/** A component of a custom section alone. */
function componentOf(payload: Uint8Array): Uint8Array {
  const section = concatBytes(Uint8Array.of(4), utf8('note'), payload);
  const preamble = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00);
  return concatBytes(preamble, Uint8Array.of(0), uleb128(section.length), section);
}

function uleb128(value: number): Uint8Array {
  const low = value % 0x80;
  return value < 0x80 ? Uint8Array.of(low) : concatBytes(Uint8Array.of(low + 0x80), uleb128((value - low) / 0x80));
}

/** A package whose first release is this. */
async function started(word: string, version: string, content: Uint8Array): Promise<Publisher> {
  const of = publisher(word);
  const answer = await send(of, [of.init, releaseOf(version, content)], content);
  assert.ok(answer.status < 300, new TextDecoder().decode(answer.bytes));
  return of;
}

function release(of: Publisher, version: string, content: Uint8Array): Promise<Answer> {
  return send(of, [releaseOf(version, content)], content);
}

/** The answer to the upload, where the content is wanted; else to the post. */
async function send(of: Publisher, entries: readonly PackageEntry[], content: Uint8Array): Promise<Answer> {
  const record = await of.record(entries);
  const posted = await of.post(record);
  const last = Object(bodyOf(posted)).state === 'sourcing' ? await of.upload(record.id, content) : posted;
  if (last.status < 300) of.head = record.id;
  return last;
}

/** Where the server keeps it. */
async function fileOf(content: Uint8Array): Promise<string> {
  const folder = registry.data('content');
  const files = await readdir(folder, { recursive: true });
  const file = files.find((each) => each.endsWith(digestHex(digestOf(content)))) ?? assert.fail(files.join(' '));
  return path.join(folder, file);
}

/** Other bytes of the same length from `start` on. */
async function spoil(content: Uint8Array, start: number): Promise<void> {
  const file = await fileOf(content);
  const bytes = await readFile(file);
  await writeFile(file, bytes.fill(0xff, start));
}

/** What a server asks for when this is posted. */
function wantedBy(answer: Answer): readonly string[] {
  const status = wargApi.decodeRecordStatus(answer.bytes);
  return status.state === 'sourcing' ? [...status.missingContent.keys()] : assert.fail(status.state);
}

function assertRefused(answer: Answer, words: RegExp): void {
  const { message } = Object(bodyOf(answer));
  assert.equal(answer.status, 422, message);
  assert.match(message, words);
}

async function assertTaken(of: Publisher, version: string, content: Uint8Array): Promise<void> {
  const answer = await release(of, version, content);
  assert.ok(answer.status < 300, `${version}: ${new TextDecoder().decode(answer.bytes)}`);
}

test('admission 8.1: a version that is too small a step is refused with what changed, and stands in no log', async () => {
  await says(owner, STEPS);
  const api = await started('api', '1.0.0', witOf('say'));
  const record = await api.record([releaseOf('1.0.1', witOf('tell'))]);
  assert.equal((await api.post(record)).status, 202);
  const refused = await api.upload(record.id, witOf('tell'));
  assertRefused(refused, /since space-one:api@1\.0\.0 .*major step.*1\.0\.1 is too small.*log\/say was removed/);
  const { state, reason } = Object(bodyOf(await api.status(record.id)));
  assert.equal(state, 'rejected');
  assert.match(reason, /log\/say was removed/);
  // The content has stayed: now the post is the answer.
  assertRefused(await release(api, '1.1.0', witOf('tell')), /too small/);
  assertRefused(await release(api, '1.0.1', witOf('say', 'tell')), /minor step.*log\/tell was added/);
  await assertTaken(api, '1.1.0', witOf('say', 'tell'));
  await assertTaken(api, '2.0.0', witOf('tell'));
  // An older line is held against what is below it.
  await assertTaken(api, '1.0.1', witOf('say'));
});

test('admission 8.1: without a policy, and where it says nothing of steps, any step is taken', async () => {
  const api = await started('api', '1.0.0', witOf('say'));
  await assertTaken(api, '1.0.1', witOf('tell'));
  await says(owner, STEPS);
  assertRefused(await release(api, '1.0.2', witOf('ask')), /too small/);
  await says(owner, OPEN_POLICY);
  await assertTaken(api, '1.0.2', witOf('ask'));
});

test('a policy that comes while a record waits for content holds for it', async () => {
  const api = await started('api', '1.0.0', witOf('say'));
  const record = await api.record([releaseOf('1.0.1', witOf('late'))]);
  assert.equal((await api.post(record)).status, 202);
  await says(owner, STEPS);
  assertRefused(await api.upload(record.id, witOf('late')), /too small/);
});

test('admission 8.2: yanked releases and pre-releases ask nothing, and a record is judged in the order of its entries', async () => {
  await says(owner, STEPS);
  const [say, tell] = [witOf('say'), witOf('tell')];
  const draft = await started('draft', '1.0.0-rc.1', say);
  await assertTaken(draft, '1.0.0', tell);
  await draft.publish([{ type: 'yank', version: parseVersion('1.0.0') }]);
  await assertTaken(draft, '1.0.1', say);
  const both = publisher('both');
  const post = async (...entries: readonly PackageEntry[]): Promise<Answer> =>
    both.post(await both.record([both.init, ...entries]));
  assertRefused(await post(releaseOf('1.0.0', say), releaseOf('1.0.1', tell)), /since space-four:both@1\.0\.0 /);
  const many = Array.from({ length: 17 }, (_, minor) => releaseOf(`1.${minor}.0`, say));
  assertRefused(await post(...many), /more than 16 releases/);
  assert.equal((await post(...many.slice(1))).status, 202);
});

test('admission 8.3: core modules are not judged', async () => {
  await says(owner, STEPS);
  const runtime = await started('runtime', '1.0.0', wasmOf('a runtime'));
  await assertTaken(runtime, '1.0.1', wasmOf('another runtime'));
});

test('admission 8.4: what cannot be compared counts as breaking', async () => {
  await says(owner, STEPS);
  const mixed = await started('mixed', '1.0.0', witOf('say'));
  const component = componentOf(utf8('one'));
  assertRefused(await release(mixed, '1.1.0', component), /could not be compared .*major step/);
  await assertTaken(mixed, '2.0.0', component);
  const runtime = await started('runtime', '0.1.0', wasmOf('a runtime that becomes a component'));
  assertRefused(await release(runtime, '0.1.1', component), /could not be compared .*minor step/);
  await assertTaken(runtime, '0.2.0', component);
});

test('W15: content that is larger than is read for it is released as a breaking step', async () => {
  await says(owner, STEPS);
  const large = await started('large', '1.0.0', componentOf(utf8('small')));
  const content = componentOf(new Uint8Array(STEP_CONTENT_BYTES_MAX));
  assertRefused(await release(large, '1.1.0', content), /more than 33554432 bytes/);
  await assertTaken(large, '2.0.0', content);
});

test('admission 8.5: content of the release before that is taken down, or gone, asks nothing', async () => {
  await says(owner, STEPS);
  const [first, second] = [witOf('down'), witOf('gone')];
  const api = await started('api', '1.0.0', first);
  assertRefused(await release(api, '1.0.1', second), /too small/);
  await says(owner, { type: 'takedown', digest: digestOf(first), code: 'secret' });
  await assertTaken(api, '1.0.1', second);
  assertRefused(await release(api, '1.0.2', witOf('next')), /too small/);
  await rm(await fileOf(second));
  await assertTaken(api, '1.0.2', witOf('next'));
});

test('governance 5.1: the policy of the registry asks for steps in a namespace that has none', async () => {
  const api = await started('api', '1.0.0', witOf('say'));
  await says(new Governor(registry, null, { origin: ORIGIN, keys: [operator] }), STEPS);
  assertRefused(await release(api, '1.0.1', witOf('tell')), /too small/);
  await says(owner, OPEN_POLICY);
  await assertTaken(api, '1.0.1', witOf('tell'));
});

test('D7: damaged content of the release before asks nothing, and is wanted again', async () => {
  await says(owner, STEPS);
  const damaged = witOf('damaged');
  const api = await started('api', '1.0.0', damaged);
  assertRefused(await release(api, '1.0.1', witOf('other')), /too small/);
  const harms: readonly (() => Promise<void>)[] = [
    async () => spoil(damaged, 20),
    async () => spoil(damaged, 0),
    async () => truncate(await fileOf(damaged), 20),
    async () => {
      const file = await fileOf(damaged);
      await rm(file);
      await symlink(registry.data(), file);
    },
  ];
  for (const [position, harm] of harms.entries()) {
    await harm();
    const to = `1.0.${position + 1}`;
    await assertTaken(api, to, witOf('other', `f${position}`));
    // What stands next to it is judged on, and the damage is mended by whoever has the content.
    assertRefused(await release(api, `1.0.${position + 10}`, witOf('third')), /too small/);
    await rm(await fileOf(damaged));
    const other = publisher(`mending-${WORDS[position]}`);
    const record = await other.record([other.init, releaseOf('1.0.0', damaged)]);
    assert.deepEqual(wantedBy(await other.post(record)), [digestOf(damaged)]);
    assert.equal((await other.upload(record.id, damaged)).status, 201);
    await api.publish([{ type: 'yank', version: parseVersion(to) }]);
  }
});

test('D7: content of a record that was damaged since it came is asked for, and the record is judged then', async () => {
  await says(owner, STEPS);
  const [first, second, third] = [witOf('say'), witOf('say', 'kept'), witOf('say', 'kept', 'new')];
  await started('other', '1.0.0', second);
  const api = await started('api', '1.0.0', first);
  await spoil(second, 20);
  const record = await api.record([releaseOf('1.1.0', second), releaseOf('1.2.0', third)]);
  assert.deepEqual(wantedBy(await api.post(record)), [digestOf(third)]);
  const answer = await api.upload(record.id, third);
  assert.equal(answer.status, 500);
  assert.deepEqual(wantedBy(await api.post(record)), [digestOf(second)]);
  assert.equal((await api.upload(record.id, second)).status, 201);
  assert.equal(Object(bodyOf(await api.status(record.id))).state, 'published');
  api.head = record.id;
  await spoil(second, 20);
  const alone = await api.record([releaseOf('1.2.1', second)]);
  assert.deepEqual(wantedBy(await api.post(alone)), [digestOf(second)]);
  await registry.restart();
  assert.deepEqual(wantedBy(await api.post(alone)), [digestOf(second)]);
  assertRefused(await api.upload(alone.id, second), /too small/);
});

test('admission 8.3: a component is judged whatever its release claims, and other content and trees are not', async () => {
  await says(owner, STEPS);
  const name = parsePackageName(`${namespace}:claimed`);
  const log = packageLogId(name);
  const publish = async (prev: Answer | null, entries: readonly PackageEntry[], content: Uint8Array) => {
    const parts = { time: timestampFromMs(Date.now()), home: { log, origin: ORIGIN }, by: ['alice'] };
    const previous = prev === null ? null : wargApi.decodeRecordStatus(prev.bytes).recordId;
    const { id, envelope } = await signJointly(entries, { ...parts, prev: previous });
    const target = `v1/package/${log}/record`;
    const posted = await registry.post(target, { json: wargApi.publishBody(name, envelope) });
    if (Object(bodyOf(posted)).state !== 'sourcing') return posted;
    const sent = await registry.post(`${target}/${id}/content/${digestOf(content)}`, { body: content });
    return sent.status < 300 ? registry.get(`${target}/${id}`) : sent;
  };
  const root: PackageEntry = { type: 'root', holder: holderNamed('alice') };
  const [say, tell, text] = [witOf('claim'), witOf('claims'), utf8('words')];
  const first = await publish(null, [root, releaseAs('other', '1.0.0', say)], say);
  assert.equal(first.status, 200, new TextDecoder().decode(first.bytes));
  assertRefused(await publish(first, [releaseAs('other', '1.0.1', tell)], tell), /claim was removed/);
  const second = await publish(first, [releaseAs('other', '1.0.1', text)], text);
  assert.equal(second.status, 200, new TextDecoder().decode(second.bytes));
});
