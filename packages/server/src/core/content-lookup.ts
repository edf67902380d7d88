import {
  decodeSignedRecord,
  namespaceOf,
  PACKAGE_LOG,
  RegistryError,
  type Digest,
  type PackageEntry,
  type PackageName,
} from '@waybill/protocol';
import { claimedKindOf, type HeldRelease, type HeldReleases } from '@waybill/protocol/content';
import type { Access } from './access.ts';
import { HELD_RECORD_BYTES_MAX, HIDDEN_HOLDINGS_MAX } from './limits.ts';
import type { Holding, HoldingPlace, RegistryReader, StoredRecord } from './ports.ts';
import type { PrivateNamespaces } from './private-namespaces.ts';

export interface ContentLookupParts {
  readonly store: Pick<RegistryReader, 'readHoldings' | 'readHoldingsGap' | 'readRecords' | 'readNames'>;
  readonly privates: PrivateNamespaces;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
}

export interface LookupRange {
  /** Where to go on, as an answer said; `null` for the beginning. */
  readonly after: HoldingPlace | null;
  readonly limit: number;
}

/** Which releases hold a content. What it says is only where to look: whoever asks verifies each in its log. */
export class ContentLookup {
  readonly #parts: ContentLookupParts;

  constructor(parts: ContentLookupParts) {
    this.#parts = parts;
  }

  /**
   * Those that the access may see, with nothing that tells of others. Throws `storage/busy` while records of an older build are
   * gone through: what is left out could be taken for what is not.
   */
  async releasesOf(access: Access, digest: Digest, { after, limit }: LookupRange): Promise<HeldReleases> {
    const { store, logLength } = this.#parts;
    const belowIndex = logLength();
    if ((await store.readHoldingsGap()) !== null) {
      throw new RegistryError('storage/busy', 'the releases are still being listed by their content: try again');
    }
    const releases: HeldRelease[] = [];
    let bytesLeft = HELD_RECORD_BYTES_MAX;
    let last: { readonly holding: Holding; readonly record: HoldingRecord } | null = null;
    for await (const next of this.#shownTo(access, digest, { after, belowIndex, limit: limit + 1 })) {
      const isNew = last?.record !== next.record;
      if (last !== null && (releases.length === limit || (isNew && bytesLeft <= 0))) {
        return { logLength: belowIndex, releases, next: formatPlace(last.holding) };
      }
      if (isNew) bytesLeft -= next.record.stored.envelope.contents.length;
      releases.push(releaseOf(next.holding, next.record));
      last = next;
    }
    return { logLength: belowIndex, releases, next: null };
  }

  async *#shownTo(
    access: Access,
    digest: Digest,
    range: { readonly after: HoldingPlace | null; readonly belowIndex: number; readonly limit: number },
  ): AsyncGenerator<{ readonly holding: Holding; readonly record: HoldingRecord }, void, undefined> {
    const { store, privates } = this.#parts;
    let after = range.after;
    let record: HoldingRecord | null = null;
    let hidden = 0;
    while (hidden <= HIDDEN_HOLDINGS_MAX) {
      const found = await store.readHoldings(digest, { ...range, after });
      for (const holding of found) {
        if (record?.stored.registryIndex !== holding.registryIndex) record = await this.#recordOf(holding);
        if (privates.mayRead(access, namespaceOf(record.name))) yield { holding, record };
        else hidden++;
        after = holding;
      }
      if (found.length < range.limit) return;
    }
  }

  async #recordOf(holding: Holding): Promise<HoldingRecord> {
    const { store } = this.#parts;
    const [stored] = await store.readRecords(holding.registryIndex, 1);
    if (stored?.registryIndex !== holding.registryIndex) throw damaged(holding);
    const name = (await store.readNames([stored.logId])).get(stored.logId);
    if (name === undefined) throw damaged(holding);
    return { stored, name, entries: decodeSignedRecord(PACKAGE_LOG, stored.envelope).entries };
  }
}

/** A record that holds the content, read once for all its releases of it. */
interface HoldingRecord {
  readonly stored: StoredRecord;
  readonly name: PackageName;
  readonly entries: readonly PackageEntry[];
}

function releaseOf(holding: Holding, { stored, name, entries }: HoldingRecord): HeldRelease {
  const entry = entries[holding.entryIndex];
  if (entry?.type !== 'release' || entry.content !== holding.digest) throw damaged(holding);
  const { version, claim = null } = entry;
  const { recordId, registryIndex } = stored;
  const said = claim === null ? {} : { mediaType: claim.mediaType, size: claim.size };
  return {
    package: name,
    version,
    recordId,
    registryIndex,
    kind: claimedKindOf(claim?.mediaType ?? null),
    ...said,
  };
}

function damaged({ registryIndex, entryIndex, digest }: Holding): RegistryError {
  const message = `entry ${entryIndex} of record ${registryIndex} is listed for ${digest}, but does not release it: waybill fsck`;
  return new RegistryError('storage/damaged', message);
}

/** Throws `request/invalid`. */
export function parsePlace(text: string): HoldingPlace {
  const [, index, entry] = /^(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})$/.exec(text) ?? [];
  const place = { registryIndex: Number(index), entryIndex: Number(entry) };
  if (Number.isSafeInteger(place.registryIndex) && Number.isSafeInteger(place.entryIndex)) return place;
  throw new RegistryError(
    'request/invalid',
    'this is no place of a list of releases: give what the answer before said',
  );
}

function formatPlace({ registryIndex, entryIndex }: HoldingPlace): string {
  return `${registryIndex}.${entryIndex}`;
}
