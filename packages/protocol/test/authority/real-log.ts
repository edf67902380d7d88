import assert from 'node:assert/strict';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError } from '../../src/errors.ts';
import { parseJosePublicKey, type JosePublicKey } from '../../src/jose/public-key.ts';
import { digestOf, parseAnyHash } from '../../src/names/digest.ts';
import { parseSignature, privateKeyFromRandom, type PublicKey } from '../../src/names/key.ts';
import { packageLogId, parseRecordId } from '../../src/names/log-id.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion, type VersionText } from '../../src/names/version.ts';
import type { Act } from '../../src/record-log/authority/act.ts';
import { parseGrantId, type GrantId } from '../../src/record-log/authority/grant.ts';
import { holderOf, type Holder } from '../../src/record-log/authority/holder.ts';
import { isPermission, type Permission } from '../../src/record-log/authority/permission.ts';
import type { Predicates } from '../../src/record-log/authority/predicates.ts';
import { findRefusal } from '../../src/record-log/authority/verdict.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { judgeRecord } from '../../src/record-log/machine.ts';
import { PACKAGE_LOG, type PackageEntry, type PackageState } from '../../src/record-log/package-log.ts';
import type { PackagePermission } from '../../src/record-log/kinds/package/release.ts';
import type { SignedRecord } from '../../src/record-log/signed-record.ts';
import type {
  PlainAct,
  PlainEntry,
  PlainHolder,
  PlainPredicates,
  PlainRecord,
  PlainState,
  Refusal,
} from './naive-model.ts';

const KEYS: ReadonlyMap<string, { readonly p256: PublicKey; readonly jose: JosePublicKey }> = new Map(
  Array.from({ length: 7 }, (_, i) => {
    const { publicKey } = privateKeyFromRandom(sha256(utf8(`key ${i}`))) ?? assert.fail();
    return [publicKey.id, { p256: publicKey, jose: parseJosePublicKey(publicKey.text) }];
  }),
);

/** In ascending order. */
export const KEY_IDS: readonly string[] = [...KEYS.keys()].toSorted();
export const HOME = { log: packageLogId(parsePackageName('histories:package')), origin: 'histories.example' };

const CONTENT = digestOf(utf8('content'));
const NOBODYS_SIGNATURE = parseSignature('ecdsa-p256:MAYCAQECAQE=');
const NO_BYTES = new Uint8Array();

/** The implementation, asked in the words of the model. Signatures are judged apart, and not here. */
export class RealLog {
  #state: PackageState = emptyLogState(HOME);

  offer(record: PlainRecord): Refusal {
    try {
      this.#state = judgeRecord(PACKAGE_LOG, this.#state, signedRecordOf(record)).draft.accept();
      return null;
    } catch (thrown) {
      if (!isRegistryError(thrown)) throw thrown;
      return { code: thrown.code, reason: thrown.detail['reason']?.toString() ?? null };
    }
  }

  may(act: PlainAct, under: string, signers: readonly string[]): Refusal {
    const actor = { signers: new Set(signers), under: underOf(under) };
    const refusal = findRefusal(this.#state, actor, actOf(act));
    if (refusal === null) return null;
    if (refusal.reason === 'grant-unknown') return { code: 'record/grant-unknown', reason: null };
    return { code: 'record/unauthorized', reason: refusal.reason };
  }

  state(): PlainState {
    const { root, grants, bindings } = this.#state;
    return {
      root: root && plainHolder(root),
      grants: [...grants.values()].map((grant) => ({
        id: grant.id,
        parent: grant.parent ?? '',
        depth: grant.depth,
        holder: plainHolder(grant.holder),
        permissions: [...grant.permissions],
        predicates: plainPredicates(grant.predicates),
        isRevoked: grant.revokedBy !== null,
      })),
      releases: [...bindings.values()].map(({ version, recordId, state }) => ({
        version,
        record: recordId,
        isYanked: state.status === 'yanked',
      })),
    };
  }
}

function signedRecordOf({
  id,
  format,
  prev,
  time,
  log,
  origin,
  signers,
  entries,
}: PlainRecord): SignedRecord<PackageEntry> {
  const [keyId = '', ...others] = signers;
  const cosignatures = others.map((other) => ({ keyId: other, signature: '' }));
  return {
    id: parseRecordId(id),
    envelope: { contents: NO_BYTES, keyId, signature: '', cosignatures },
    signatures:
      format === 1 ? signers.map((signer) => ({ keyId: signer, jws: '' })) : [{ keyId, der: NOBODYS_SIGNATURE }],
    prev: prev === null ? null : parseAnyHash(prev),
    version: format,
    time: { seconds: BigInt(time), nanos: 0 },
    entries: entries.map(entryOf),
    annotations: [],
    binding: format === 1 ? { log: log === HOME.log ? HOME.log : OTHER_LOG, origin, signers } : null,
  };
}

const OTHER_LOG = packageLogId(parsePackageName('histories:other'));

function entryOf(entry: PlainEntry): PackageEntry {
  switch (entry.is) {
    case 'init':
      return { type: 'init', key: keyOf(entry.key).p256 };
    case 'grant-0':
      return { type: 'grant', key: keyOf(entry.key).p256, permissions: entry.permissions.map(permission0) };
    case 'revoke-0':
      return { type: 'revoke', keyId: entry.key, permissions: entry.permissions.map(permission0) };
    case 'release': {
      const { mediaType, size } = entry;
      const claim = mediaType === null || size === null ? null : { mediaType, size };
      return {
        type: 'release',
        version: versionOf(entry.version),
        content: CONTENT,
        claim,
        under: underOf(entry.under),
      };
    }
    case 'yank':
    case 'restore':
      return { type: entry.is, version: versionOf(entry.version), under: underOf(entry.under) };
    case 'root':
    case 'transfer':
      return { type: entry.is, holder: realHolder(entry.holder), under: underOf(entry.under) };
    case 'grant': {
      const permissions = entry.permissions.map(permissionOf);
      const [holder, predicates] = [realHolder(entry.holder), predicatesOf(entry.predicates)];
      return { type: 'delegate', holder, permissions, predicates, under: underOf(entry.under) };
    }
    case 'revoke':
      return { type: 'revokeGrant', grant: parseGrantId(entry.grant), under: underOf(entry.under) };
  }
}

function actOf({ permission, time, version, mediaType, size }: PlainAct): Act {
  const at = { permission: permissionOf(permission), time: { seconds: BigInt(time), nanos: 0 } };
  if (permission === 'grant') return at;
  const versioned = { ...at, version: version === null ? null : versionOf(version) };
  if (permission === 'release') {
    return { ...versioned, claim: mediaType === null || size === null ? null : { mediaType, size } };
  }
  return permission.startsWith('annotate:')
    ? { ...versioned, annotationType: permission.slice('annotate:'.length) }
    : versioned;
}

function keyOf(id: string): { readonly p256: PublicKey; readonly jose: JosePublicKey } {
  return KEYS.get(id) ?? assert.fail(`no key ${id}`);
}

function underOf(text: string): GrantId | null {
  return text === '' ? null : parseGrantId(text);
}

const VERSIONS = new Map<string, VersionText>();

function versionOf(text: string): VersionText {
  const known = VERSIONS.get(text) ?? parseVersion(text);
  VERSIONS.set(text, known);
  return known;
}

function permission0(text: string): PackagePermission {
  return text === 'release' || text === 'yank' ? text : assert.fail(text);
}

function permissionOf(text: string): Permission {
  return isPermission(text) ? text : assert.fail(text);
}

function realHolder({ keys, threshold }: PlainHolder): Holder {
  return holderOf(
    keys.map((id) => keyOf(id).jose),
    threshold,
  );
}

function plainHolder({ keys, threshold }: Holder): PlainHolder {
  return { keys: keys.map(({ id }) => id), threshold };
}

function predicatesOf(plain: PlainPredicates): Predicates {
  const { versionMin, versionMax, notAfter } = plain;
  return {
    ...plain,
    versionMin: versionMin === null ? null : versionOf(versionMin),
    versionMax: versionMax === null ? null : versionOf(versionMax),
    notAfter: notAfter === null ? null : BigInt(notAfter),
  };
}

function plainPredicates(real: Predicates): PlainPredicates {
  return { ...real, notAfter: real.notAfter === null ? null : Number(real.notAfter) };
}
