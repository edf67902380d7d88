import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  annotationBody,
  annotationIdOf,
  AnnotationBook,
  annotatePermission,
  decodeAnnotation,
  digestOf,
  emptyLogState,
  holderOf,
  isRegistryError,
  NO_PREDICATES,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  recordIdOf,
  formatPrivateKey,
  replayLog,
  sha256,
  utf8,
  type AnnotationDraft,
  type AnnotationId,
  type Digest,
  type ErrorCode,
  type JosePrivateKey,
  type PackageEntry,
  type PackageState,
  type Permission,
  type Rootedness,
  type SignedRecord,
} from '@waybill/protocol';
import type { TakedownInForce } from '../src/governance-view.ts';
import { authorOf, makeRecord } from '@waybill/protocol/author';
import { parseRequirement, resolveRelease, type AdvisoryPolicy } from '../src/requirement.ts';

/* What annotations do to the choice of a release, and how they come into a record (spec/version1.md 6). */

const NAME = parsePackageName('test:chosen');
const RECORD = recordIdOf('governance', utf8('takedown'));
const HOME = { log: packageLogId(NAME), origin: 'registry.test' };

function keyOf(name: string): JosePrivateKey {
  return parseJosePrivateKey(formatPrivateKey(privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail()));
}

/** A log in the making, with the book of its annotations. */
class Log {
  readonly name = NAME;
  readonly annotations = new AnnotationBook();
  rootedness: Rootedness = { verdict: 'rooted' };
  readonly down = new Map<Digest, TakedownInForce>();
  readonly takedownOf = (digest: Digest): TakedownInForce | null => this.down.get(digest) ?? null;
  state: PackageState = emptyLogState(HOME);

  async add(
    entries: readonly PackageEntry[],
    annotations: readonly AnnotationDraft[] = [],
    by = 'alice',
  ): Promise<SignedRecord<PackageEntry>> {
    const parts = { author: authorOf([keyOf(by)]), home: HOME, clock: () => 1_700_000_000_000 };
    const random = (length: number): Uint8Array => new Uint8Array(length);
    const place = { state: this.state, book: this.annotations };
    const record = await makeRecord({ entries, annotations }, place, { ...parts, random });
    this.state = await replayLog(PACKAGE_LOG, this.state, [record.envelope], this.annotations.add);
    return record;
  }

  /** Gives the id of the annotation. */
  async say(draft: AnnotationDraft, by?: string): Promise<AnnotationId> {
    return annotationIdOf((await this.add([], [draft], by)).id, 0);
  }

  takeDown(version: string): void {
    const digest = digestOf(utf8(version));
    const said = { recordId: RECORD, time: { seconds: 1n, nanos: 0 } };
    this.down.set(digest, {
      about: 'takedown',
      digest,
      code: 'malware',
      reason: '',
      reinstated: null,
      by: 'registry',
      ...said,
    });
  }

  version(wanted: string, policy: AdvisoryPolicy = 'pass over'): string {
    return resolveRelease(this, parseRequirement(`${NAME}@${wanted}`), policy).release.version;
  }
}

async function logOf(...versions: readonly string[]): Promise<Log> {
  const log = new Log();
  await log.add(
    versions.map((version) => ({ type: 'release', version: parseVersion(version), content: digestOf(utf8(version)) })),
  );
  return log;
}

function advisory(affected: string): AnnotationDraft {
  return { type: 'advisory', body: annotationBody({ id: 'DEMO-1', severity: 'low', affected }) };
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

/** The range of an advisory, and what of 1.0.0-rc.1, 1.0.0, 1.1.0 and 2.0.0 is left. */
const RANGES: readonly (readonly [affected: string, left: readonly string[]])[] = [
  ['<1.1.0', ['1.1.0', '2.0.0']],
  ['1.0.0', ['1.0.0-rc.1', '1.1.0', '2.0.0']],
  ['^1', ['2.0.0']],
  ['>=1.1', ['1.0.0-rc.1', '1.0.0']],
  ['3', ['1.0.0-rc.1', '1.0.0', '1.1.0', '2.0.0']],
  ['', []],
  ['some', []],
];

test('version1.md 6.5: an advisory affects what is in its range, pre-releases too, and all where that cannot be read', async () => {
  for (const [affected, left] of RANGES) {
    const log = await logOf('1.0.0-rc.1', '1.0.0', '1.1.0', '2.0.0');
    await log.say(advisory(affected));
    const standing = ['1.0.0-rc.1', '1.0.0', '1.1.0', '2.0.0'].filter((version) => {
      const { advisories } = resolveRelease(log, parseRequirement(`${NAME}@${version}`), 'pass over');
      return advisories.length === 0;
    });
    assert.deepEqual(standing, left, affected);
  }
});

test('a version that ranges cannot name is affected by every range', async () => {
  const log = await logOf('99999999999999999.0.0');
  await log.say(advisory('<1.0.0'));
  assert.throws(() => resolveRelease(log, parseRequirement(NAME), 'pass over'), failsWith('release/affected'));
});

test('affected releases are passed over, then deprecated ones; a whole version and who allows it get them', async () => {
  const log = await logOf('1.0.0', '1.1.0', '1.2.0');
  await log.say({ type: 'deprecation', version: parseVersion('1.0.0'), body: annotationBody({}) });
  const id = await log.say(advisory('>=1.1.0'));
  assert.equal(log.version('^1'), '1.0.0');
  assert.deepEqual(
    resolveRelease(log, parseRequirement(NAME), 'pass over').passedOver.map(({ version }) => version),
    ['1.2.0', '1.1.0'],
  );
  assert.equal(log.version('^1', 'allow'), '1.2.0');
  assert.equal(log.version('1.1.0'), '1.1.0');
  assert.throws(() => log.version('>=1.1.0'), failsWith('release/affected'));
  assert.throws(() => log.version('>=2'), failsWith('release/not-found'));
  await log.say({ type: 'withdrawal', target: id });
  assert.equal(log.version('^1'), '1.2.0');
});

test('P3: what somebody without the permission says changes no choice, and is not signed', async () => {
  const log = await logOf('1.0.0');
  await log.add([{ type: 'root', holder: holderOf([keyOf('alice').publicKey], 1) }]);
  const to = (name: string, permission: Permission): PackageEntry => ({
    type: 'delegate',
    holder: holderOf([keyOf(name).publicKey], 1),
    permissions: [permission],
    predicates: NO_PREDICATES,
  });
  await log.add([to('bob', 'release'), to('cyd', annotatePermission('advisory'))]);
  await assert.rejects(log.say(advisory('*'), 'bob'), failsWith('record/unauthorized'));
  assert.equal(log.version('*'), '1.0.0');
  const { annotations } = await log.add([], [advisory('*')], 'cyd');
  assert.equal(decodeAnnotation(annotations[0] ?? assert.fail()).under, [...log.state.grants.keys()].at(-1));
  assert.throws(() => log.version('*'), failsWith('release/affected'));
});

test('a withdrawal of what does not stand, or of another withdrawal, is not signed', async () => {
  const log = await logOf('1.0.0');
  const id = await log.say(advisory('*'));
  const withdrawal = await log.say({ type: 'withdrawal', target: id });
  for (const target of [withdrawal, annotationIdOf(log.state.head?.id ?? assert.fail(), 9)]) {
    await assert.rejects(log.say({ type: 'withdrawal', target }), failsWith('record/unauthorized'));
  }
  await assert.rejects(log.say({ type: 'praise' }), failsWith('usage/invalid'));
  await assert.rejects(log.say({ type: 'licence', body: annotationBody({}) }), failsWith('usage/invalid'));
});

test('P2: nothing of an unrooted package is chosen, whatever is allowed', async () => {
  const log = await logOf('1.0.0');
  for (const reason of ['abandoned', 'key'] as const) {
    log.rootedness = { verdict: 'unrooted', reason, by: 'namespace' };
    for (const wanted of ['1.0.0', '*']) {
      assert.throws(() => log.version(wanted, 'allow'), failsWith('governance/unrooted'));
    }
  }
});

test('a release that is taken down is passed over, and given to nobody who names it or allows advisories', async () => {
  const log = await logOf('1.0.0', '1.1.0', '1.2.0');
  log.takeDown('1.2.0');
  assert.equal(log.version('^1', 'allow'), '1.1.0');
  assert.throws(() => log.version('1.2.0', 'allow'), failsWith('content/taken-down'));
  const { passedOver } = resolveRelease(log, parseRequirement(NAME), 'pass over');
  assert.deepEqual(
    passedOver.map(({ version, takedown }) => [version, takedown?.code]),
    [['1.2.0', 'malware']],
  );
  assert.throws(() => log.version('>=1.2.0'), failsWith('content/taken-down'));
  await log.say(advisory('1.1.0'));
  assert.throws(() => log.version('>=1.1.0'), failsWith('release/affected'));
  assert.equal(log.version('>=1.1.0', 'allow'), '1.1.0');
});
