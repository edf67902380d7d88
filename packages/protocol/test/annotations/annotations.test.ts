import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEED } from '@waybill/tools/test-scale';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { isRegistryError } from '../../src/errors.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { parseJosePrivateKey } from '../../src/jose/private-key.ts';
import { localSigner } from '../../src/jose/signer.ts';
import { digestOf } from '../../src/names/digest.ts';
import { formatPrivateKey } from '../../src/names/key.ts';
import { parseVersion } from '../../src/names/version.ts';
import {
  annotationIdOf,
  decodeAnnotation,
  encodeAnnotation,
  type AnnotationDraft,
} from '../../src/record-log/annotations/annotation.ts';
import { AnnotationBook } from '../../src/record-log/annotations/annotation-book.ts';
import { ANNOTATIONS_JUDGED_MAX } from '../../src/record-log/annotations/annotation-judge.ts';
import { annotationBody } from '../../src/record-log/annotations/annotation-types.ts';
import { holderOfKey } from '../../src/record-log/authority/holder.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { PACKAGE_LOG } from '../../src/record-log/package-log.ts';
import { replayLog } from '../../src/record-log/replay.ts';
import { signRecord, signRecordJointly } from '../../src/record-log/signed-record.ts';
import {
  AnnotatedLog,
  HOME,
  keyOf,
  logOfVersion0,
  logOfVersion1,
  privateKeyOf,
  release,
  SECONDS,
} from './annotated-log.ts';

const ONE = parseVersion('1.0.0');
const TWO = parseVersion('2.0.0');

function note(
  type: string,
  body: Record<string, string | number> | null,
  rest: Partial<AnnotationDraft> = {},
): Uint8Array {
  return encodeAnnotation({ type, body: body && annotationBody(body), ...rest });
}

function deprecation(message: string, rest: Partial<AnnotationDraft> = {}): Uint8Array {
  return note('deprecation', { message }, rest);
}

test('version1 6.1: a record whose annotations are all garbage stays valid, in both versions', async () => {
  const garbage = [new Uint8Array(), Uint8Array.of(0xff), new Uint8Array(5_000), utf8('{}')];
  const alice = privateKeyOf('alice');
  const time = { seconds: SECONDS, nanos: 0 };
  const init = await signRecord(
    PACKAGE_LOG,
    { prev: null, time, entries: [{ type: 'init', key: alice.publicKey }], annotations: garbage },
    alice,
  );
  const signer = localSigner(parseJosePrivateKey(formatPrivateKey(alice)));
  const root = await signRecordJointly(
    PACKAGE_LOG,
    {
      home: HOME,
      prev: init.id,
      time,
      entries: [{ type: 'root', holder: holderOfKey(keyOf('alice')) }],
      annotations: [...garbage, deprecation('before the upgrade')],
    },
    [signer],
  );
  const book = new AnnotationBook();
  const state = await replayLog(PACKAGE_LOG, emptyLogState(HOME), [init.envelope, root.envelope], book.add);
  assert.equal(state.length, 2);
  const verdicts = [...book.list()].map(({ verdict }) => verdict);
  assert.deepEqual(verdicts, ['authorized', ...Array.from({ length: 8 }, () => 'unreadable')]);
  assert.equal(book.deprecationOf(ONE)?.body.message, 'before the upgrade');
});

test('version1 6.4: a record is judged on the state before it, the first one on the state after', () => {
  const first = new AnnotatedLog();
  const init = { type: 'init', key: privateKeyOf('alice').publicKey } as const;
  assert.deepEqual(
    first.verdicts({ version: 0, signers: ['alice'], entries: [init], annotations: [deprecation('first')] }),
    ['authorized'],
  );
  const root = new AnnotatedLog();
  const begin = { type: 'root', holder: holderOfKey(keyOf('alice')) } as const;
  assert.deepEqual(
    root.verdicts({ version: 1, signers: ['alice'], entries: [begin], annotations: [deprecation('first')] }),
    ['authorized'],
  );
  // The record takes from its signer what it has, and is its last word.
  const entries = [{ type: 'revoke', keyId: keyOf('bob').id, permissions: ['yank'] }] as const;
  const log = logOfVersion0();
  assert.deepEqual(log.verdicts({ version: 0, signers: ['bob'], entries, annotations: [deprecation('last')] }), [
    'authorized',
  ]);
  assert.deepEqual(log.verdicts({ version: 0, signers: ['bob'], annotations: [deprecation('too late')] }), [
    'unauthorized permission',
  ]);
});

test('version1 6.4: of a record, no more than a number are judged, however many it holds', () => {
  const log = logOfVersion0();
  const annotations = Array.from({ length: 10_000 }, (_, i) => deprecation(`number ${i}`));
  const { id } = log.add({ version: 0, signers: ['alice'], annotations });
  assert.equal([...log.book.list()].length, ANNOTATIONS_JUDGED_MAX);
  assert.equal(log.book.deprecationOf(ONE)?.body.message, `number ${ANNOTATIONS_JUDGED_MAX - 1}`);
  const target = annotationIdOf(id, ANNOTATIONS_JUDGED_MAX);
  const withdrawal = encodeAnnotation({ type: 'withdrawal', target });
  assert.deepEqual(log.verdicts({ version: 0, signers: ['alice'], annotations: [withdrawal] }), [
    'unauthorized target',
  ]);
});

test('10,000 annotations of many records: each costs what it holds, and the latest is found at once', () => {
  const log = logOfVersion0();
  for (let i = 0; i < 10_000; i += 100) {
    const annotations = Array.from({ length: 100 }, (_, j) => deprecation(`number ${i + j}`, { version: ONE }));
    log.add({ version: 0, signers: ['alice'], annotations });
  }
  assert.equal(log.book.statements('deprecation', ONE).length, 10_000);
  assert.equal(log.book.deprecationOf(ONE)?.body.message, 'number 9999');
  assert.equal(log.book.deprecationOf(TWO), null);
  const ids = log.book.statements('deprecation', ONE).map(({ id }) => id);
  for (let i = 0; i < 10_000; i += 100) {
    const annotations = ids.slice(i, i + 100).map((target) => encodeAnnotation({ type: 'withdrawal', target }));
    log.add({ version: 0, signers: ['alice'], annotations });
  }
  assert.equal(log.book.deprecationOf(ONE), null);
  assert.deepEqual(log.book.statements('deprecation', ONE), []);
});

test('version1 6.6: signer and root withdraw, strangers and one signer of two do not', () => {
  const { log, grants } = logOfVersion1();
  const about = { version: ONE, under: grants.advisories };
  const advisory = note('advisory', { id: 'WB-1', severity: 'high' }, about);
  const withdraw = (signers: readonly string[], target: Parameters<typeof annotationIdOf>): string[] =>
    log.verdicts({
      version: 1,
      signers,
      annotations: [encodeAnnotation({ type: 'withdrawal', target: annotationIdOf(...target) })],
    });
  const advisories = (): number => log.book.advisoriesOf(ONE, () => true).length;
  const alone = log.add({ version: 1, signers: ['bob'], annotations: [advisory] });
  const joint = log.add({ version: 1, signers: ['bob', 'carol'], annotations: [advisory, advisory] });
  assert.equal(advisories(), 3);
  assert.deepEqual(withdraw(['carol'], [alone.id, 0]), ['unauthorized holder']);
  assert.deepEqual(withdraw(['bob'], [joint.id, 0]), ['unauthorized holder']);
  assert.deepEqual(withdraw(['bob'], [alone.id, 1]), ['unauthorized target']);
  assert.equal(advisories(), 3);
  assert.deepEqual(withdraw(['bob'], [alone.id, 0]), ['authorized']);
  assert.equal(advisories(), 2);
  assert.deepEqual(withdraw(['bob', 'carol'], [joint.id, 0]), ['authorized']);
  assert.deepEqual(withdraw(['alice'], [joint.id, 1]), ['authorized']);
  assert.equal(advisories(), 0);
  const [last] = log.book.list();
  assert.equal(last?.annotation?.type, 'withdrawal');
  assert.deepEqual(withdraw(['alice'], [log.state.head?.id ?? assert.fail(), 0]), ['unauthorized target']);
  const listed = [...log.book.list()].find(({ id }) => id === annotationIdOf(joint.id, 1));
  assert.equal(listed?.withdrawnBy, last.id);
});

test('version1 6.6: what does not stand before it is not withdrawn, and counts when it comes', () => {
  const log = logOfVersion0();
  // A record names the one before it, so nobody can know the id of a later one of the same log.
  const foreign = annotationIdOf(logOfVersion1().log.add({ version: 1, signers: ['alice'] }).id, 0);
  const own = annotationIdOf(log.state.head?.id ?? assert.fail(), 0);
  const early = [foreign, own].map((target) => encodeAnnotation({ type: 'withdrawal', target }));
  assert.deepEqual(
    log.verdicts({ version: 0, signers: ['alice'], annotations: [...early, deprecation('beside it')] }),
    ['unauthorized target', 'unauthorized target', 'authorized'],
  );
  log.add({ version: 0, signers: ['alice'], annotations: [deprecation('later')] });
  assert.equal(log.book.deprecationOf(ONE)?.body.message, 'later');
});

test('version1 6.7: the latest counts, the release before the package; advisories add up', () => {
  const log = logOfVersion0();
  log.add({
    version: 0,
    signers: ['alice'],
    entries: [release('2.0.0')],
    annotations: [
      note('licence', { spdx: 'MIT' }),
      note('licence', { spdx: 'Apache-2.0' }, { version: TWO }),
      deprecation('the package', { under: null }),
      note('advisory', { id: 'WB-1', severity: 'low', affected: '<2' }),
      note('advisory', { id: 'WB-2', severity: 'critical' }, { version: ONE }),
      note('on-behalf', { account: 'acme-ci' }),
    ],
  });
  const { book } = log;
  log.add({ version: 0, signers: ['bob'], annotations: [note('licence', { spdx: '0BSD' })] });
  log.add({
    version: 0,
    signers: ['carol'],
    annotations: [note('licence', { spdx: 'carol may not say' }, { version: ONE })],
  });
  assert.deepEqual([book.licenceOf(ONE)?.body.spdx, book.licenceOf(TWO)?.body.spdx], ['0BSD', 'Apache-2.0']);
  const affected = (range: string, version: string): boolean => range === '<2' && version === ONE;
  const ids = (version: typeof ONE): string[] => book.advisoriesOf(version, affected).map(({ body }) => body.id);
  assert.deepEqual([ids(ONE), ids(TWO)], [['WB-2', 'WB-1'], []]);
  const released = log.state.bindings.get(TWO) ?? assert.fail();
  assert.equal(book.accountOf(released.recordId), 'acme-ci');
  assert.equal(book.accountOf(log.state.head?.id ?? assert.fail()), null);
});

test('version1 6.7: what was replaced or withdrawn, and a withdrawal itself, means nothing any more', () => {
  const log = logOfVersion0();
  const add = (...annotations: readonly Uint8Array[]) =>
    annotationIdOf(log.add({ version: 0, signers: ['alice'], annotations }).id, 0);
  const advisory = note('advisory', { id: 'A-1', severity: 'low' });
  const [first, , second] = [add(deprecation('old')), add(advisory), add(deprecation('new')), add(advisory)];
  const meant = () =>
    [...log.book.list()].filter((one) => log.book.isMeant(one)).map(({ annotation }) => annotation?.type);
  assert.deepEqual(meant(), ['advisory', 'deprecation', 'advisory']);
  add(encodeAnnotation({ type: 'withdrawal', target: second }));
  assert.equal(log.book.latest('deprecation', null)?.id, first);
  assert.deepEqual(meant(), ['advisory', 'advisory', 'deprecation']);
  // Bob's key may yank, and carol's holds nothing any more.
  log.add({ version: 0, signers: ['carol'], annotations: [deprecation('theirs')] });
  assert.equal(meant().length, 3);
});

test('L13: text beyond a sentence and whole documents are named by digest, so that they can be taken down', () => {
  const log = logOfVersion0();
  const content = { digest: digestOf(utf8('a readme')), size: 8, mediaType: 'text/markdown' };
  const annotations = [
    encodeAnnotation({ type: 'readme', content }),
    deprecation('a'.repeat(256)),
    deprecation('a'.repeat(257)),
    note('on-behalf', { account: 'somebody@example.org' }),
    note('oci-manifest', { digest: digestOf(utf8('{}')), size: 2 }, { version: ONE }),
    note('oci-manifest', { digest: digestOf(utf8('{}')), size: 2 }),
    note('oci-manifest', { digest: digestOf(utf8('{}')), size: 4_194_305 }, { version: ONE }),
    note('oci-manifest', { digest: `sha512:${'0'.repeat(128)}`, size: 2 }, { version: ONE }),
  ];
  assert.deepEqual(log.verdicts({ version: 0, signers: ['alice'], annotations }), [
    'authorized',
    'authorized',
    'unreadable',
    'unreadable',
    'authorized',
    'unreadable',
    'unreadable',
    'unreadable',
  ]);
  assert.deepEqual(log.book.readmeOf(ONE)?.content, content);
  assert.throws(
    () => deprecation('a'.repeat(1_024)),
    (thrown) => isRegistryError(thrown, 'wire/too-large'),
  );
});

test('P3: who may only release neither yanks nor restores, and takes no annotation back', () => {
  const { log, grants } = logOfVersion1();
  const under = grants['release only'];
  const refused = (type: 'yank' | 'restore'): void =>
    assert.throws(
      () => log.add({ version: 1, signers: ['bob'], entries: [{ type, version: ONE, under }] }),
      (thrown) => isRegistryError(thrown, 'record/unauthorized') && thrown.detail['reason'] === 'permission',
    );
  refused('yank');
  const said = log.add({ version: 1, signers: ['alice'], annotations: [deprecation('by the root')] });
  log.add({ version: 1, signers: ['alice'], entries: [{ type: 'yank', version: ONE, reason: 'leaks memory' }] });
  refused('restore');
  const target = annotationIdOf(said.id, 0);
  const withdrawal = encodeAnnotation({ type: 'withdrawal', target });
  assert.deepEqual(log.verdicts({ version: 1, signers: ['bob'], annotations: [withdrawal] }), ['unauthorized holder']);
  log.add({ version: 1, signers: ['alice'], entries: [{ type: 'restore', version: ONE }] });
  assert.equal(log.state.bindings.get(ONE)?.state.status, 'released');
});

test(`hostile bytes are judged and never thrown over (seed ${SEED})`, () => {
  const { log, grants } = logOfVersion1();
  const seeds = [
    note('advisory', { id: 'WB-1', severity: 'high' }, { version: ONE, under: grants.advisories }),
    encodeAnnotation({ type: 'withdrawal', target: annotationIdOf(log.state.head?.id ?? assert.fail(), 0) }),
    encodeAnnotation({
      type: 'sbom',
      version: ONE,
      content: { digest: digestOf(utf8('x')), size: 1, mediaType: 'text/html' },
    }),
    note('x.example', { anything: 'at all' }),
  ];
  const seen = new Map<string, number>();
  for (let round = 0; round < 40; round++) {
    const annotations = Array.from({ length: 100 }, (_, i) =>
      mutated(seeds[i % seeds.length] ?? assert.fail(), round * 100 + i),
    );
    for (const verdict of log.verdicts({ version: 1, signers: ['bob'], annotations })) {
      seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
    }
    for (const bytes of annotations) {
      try {
        assert.deepEqual(encodeAnnotation(decodeAnnotation(bytes)), bytes);
      } catch (thrown) {
        assert.ok(isRegistryError(thrown));
      }
    }
  }
  assert.ok((seen.get('unreadable') ?? 0) > 1_000 && seen.size > 2, JSON.stringify([...seen]));
});

/** One to three bytes replaced, put in or left out. */
function mutated(bytes: Uint8Array, number: number): Uint8Array {
  const dice = sha256(utf8(`${SEED}/${number}`));
  const list = [...bytes];
  for (let i = 0; i <= (dice[0] ?? 0) % 3; i++) {
    const [where = 0, how = 0, what = 0] = dice.subarray(1 + 3 * i, 4 + 3 * i);
    list.splice((where * 7) % list.length, how % 3 === 1 ? 0 : 1, ...(how % 3 === 2 ? [] : [what]));
  }
  return Uint8Array.from(list);
}
