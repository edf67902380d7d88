import assert from 'node:assert/strict';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { parseJosePublicKey, type JosePublicKey } from '../../src/jose/public-key.ts';
import { parseDigest } from '../../src/names/digest.ts';
import { privateKeyFromRandom, type PrivateKey } from '../../src/names/key.ts';
import { packageLogId } from '../../src/names/log-id.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';
import { AnnotationBook } from '../../src/record-log/annotations/annotation-book.ts';
import type { JudgedAnnotation } from '../../src/record-log/annotations/annotation-judge.ts';
import { grantIdOf, type GrantId } from '../../src/record-log/authority/grant.ts';
import { holderOfKey } from '../../src/record-log/authority/holder.ts';
import type { Permission } from '../../src/record-log/authority/permission.ts';
import { NO_PREDICATES, type Predicates } from '../../src/record-log/authority/predicates.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { judgeRecord } from '../../src/record-log/machine.ts';
import { PACKAGE_LOG, type PackageEntry, type PackageState } from '../../src/record-log/package-log.ts';
import { decodeSignedRecord, encodeRecordContents, type SignedRecord } from '../../src/record-log/signed-record.ts';

export const HOME = { log: packageLogId(parsePackageName('test:notes')), origin: 'registry.example' };
export const SECONDS = 1_700_000_000n;

export function privateKeyOf(name: string): PrivateKey {
  return privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail();
}

export function keyOf(name: string): JosePublicKey {
  return parseJosePublicKey(privateKeyOf(name).publicKey.text);
}

/** Signatures are decoded and not verified here. */
const SIGNATURES = ['ecdsa-p256:MAYCAQECAQE=', 'jws:e30..AA'] as const;

export interface TestRecord {
  readonly version: 0 | 1;
  /** Names of keys. */
  readonly signers: readonly string[];
  readonly entries?: readonly PackageEntry[];
  readonly annotations?: readonly Uint8Array[];
  readonly seconds?: bigint;
}

/** A log that obeys every rule but that of its signatures, and what its annotations amount to. */
export class AnnotatedLog {
  readonly book = new AnnotationBook();
  #state: PackageState = emptyLogState(HOME);

  get state(): PackageState {
    return this.#state;
  }

  /** Adds a record. Throws `record/…` where it is not valid. */
  add(record: TestRecord): SignedRecord<PackageEntry> {
    return this.addContents(this.contentsOf(record), record);
  }

  contentsOf({ version, signers, entries = [], annotations = [], seconds = SECONDS }: TestRecord): Uint8Array {
    return encodeRecordContents(PACKAGE_LOG, {
      prev: this.#state.head?.id ?? null,
      time: { seconds, nanos: 0 },
      entries,
      annotations,
      binding: version === 0 ? null : { ...HOME, signers: idsOf(signers) },
    });
  }

  addContents(
    contents: Uint8Array,
    { version, signers }: Pick<TestRecord, 'version' | 'signers'>,
  ): SignedRecord<PackageEntry> {
    const signature = SIGNATURES[version];
    const [first = assert.fail(), ...others] = idsOf(signers).map((keyId) => ({ keyId, signature }));
    const record = decodeSignedRecord(PACKAGE_LOG, { contents, ...first, cosignatures: others });
    const { draft } = judgeRecord(PACKAGE_LOG, this.#state, record);
    this.book.add(record, { before: this.#state, after: draft });
    this.#state = draft.accept();
    return record;
  }

  /** Adds a record with annotations and says what they are worth. */
  verdicts(record: TestRecord): string[] {
    const { id } = this.add(record);
    return [...this.book.list()]
      .filter((one) => one.id.startsWith(id))
      .map(verdictOf)
      .toReversed();
  }
}

/** The verdict, with its reason where it has one. */
export function verdictOf(judged: JudgedAnnotation): string {
  return judged.verdict === 'unauthorized' ? `unauthorized ${judged.reason}` : judged.verdict;
}

function idsOf(names: readonly string[]): string[] {
  return names.map((name) => keyOf(name).id).toSorted();
}

export function release(version: string): PackageEntry {
  const content = 'sha256:0000000000000000000000000000000000000000000000000000000000000000';
  return { type: 'release', version: parseVersion(version), content: parseDigest(content) };
}

export function grant(
  name: string,
  permissions: readonly Permission[],
  narrowed: Partial<Predicates> = {},
): PackageEntry {
  return {
    type: 'delegate',
    holder: holderOfKey(keyOf(name)),
    permissions,
    predicates: { ...NO_PREDICATES, ...narrowed },
  };
}

/** A log of version 0 that alice began, where bob may yank, and carol could release once. */
export function logOfVersion0(): AnnotatedLog {
  const log = new AnnotatedLog();
  const give = (name: string, permission: 'release' | 'yank'): PackageEntry => ({
    type: 'grant',
    key: privateKeyOf(name).publicKey,
    permissions: [permission],
  });
  log.add({ version: 0, signers: ['alice'], entries: [{ type: 'init', key: privateKeyOf('alice').publicKey }] });
  log.add({
    version: 0,
    signers: ['alice'],
    entries: [give('bob', 'yank'), give('carol', 'release'), release('1.0.0')],
  });
  log.add({
    version: 0,
    signers: ['alice'],
    entries: [{ type: 'revoke', keyId: keyOf('carol').id, permissions: ['release'] }],
  });
  return log;
}

export type GrantName = 'advisories' | 'some types' | 'expired' | 'revoked' | 'release only';

/** A log of version 1 with alice for its root, and its grants by name. */
export function logOfVersion1(): { readonly log: AnnotatedLog; readonly grants: Readonly<Record<GrantName, GrantId>> } {
  const log = new AnnotatedLog();
  const { id } = log.add({
    version: 1,
    signers: ['alice'],
    entries: [
      { type: 'root', holder: holderOfKey(keyOf('alice')) },
      grant('bob', ['annotate:advisory', 'annotate:x.example'], {
        versionMin: parseVersion('1.0.0'),
        versionMax: parseVersion('2.0.0'),
      }),
      grant('carol', ['annotate:*'], { annotationTypes: ['licence', 'x.example'] }),
      grant('carol', ['annotate:*'], { notAfter: SECONDS }),
      grant('carol', ['annotate:*']),
      grant('bob', ['release']),
      release('1.0.0'),
    ],
  });
  const grants = {
    advisories: grantIdOf(id, 1),
    'some types': grantIdOf(id, 2),
    expired: grantIdOf(id, 3),
    revoked: grantIdOf(id, 4),
    'release only': grantIdOf(id, 5),
  };
  log.add({ version: 1, signers: ['alice'], entries: [{ type: 'revokeGrant', grant: grants.revoked }] });
  return { log, grants };
}
