import { releaseOf, type Digest, type PackageName, type VersionText } from '@waybill/protocol';
import { DEPENDENCY_BYTES_MAX, TREE_INDEX_BYTES_MAX } from '@waybill/protocol/content';
import { forEachAtOnce } from '../at-once.ts';
import { requireClaim } from '../content-claim.ts';
import type { VerifiedPackage } from '../governance-view.ts';
import type { ContentCache } from '../ports.ts';
import type { RegistryClient } from '../registry-client.ts';
import { releasesOf, type AdvisoryPolicy } from '../requirement.ts';
import { isTreeClaim } from '../tree-fetch.ts';
import { componentIn, readContent, streamContent } from './content-bytes.ts';
import { needsOf } from './project-needs.ts';
import type { WkgOverride } from './wkg-files.ts';
import {
  releaseText,
  type PackageNeed,
  type PackageReleases,
  type PackageSource,
  type ReleaseId,
} from '../resolve/package-source.ts';

/** What content is, and what it needs: read out of its bytes, whatever anybody says of it. */
export interface ContentSurvey {
  /** WIT alone, to be read by tools. */
  readonly isWit: boolean;
  readonly needs: readonly PackageNeed[];
  /** What it says of the bytes of what it needs, in names of old. */
  readonly integrities: readonly NeedIntegrity[];
}

/** Integrity metadata (`sha256-…`) for whatever answers a need. */
export interface NeedIntegrity extends Pick<PackageNeed, 'name' | 'range'> {
  readonly integrity: string;
}

/** Reads content, of which it keeps little; who gives it checks the digest. */
export type ContentReader = (bytes: AsyncIterable<Uint8Array>) => Promise<ContentSurvey>;

export interface ProjectSourceParts {
  readonly client: RegistryClient;
  readonly cache: ContentCache;
  readonly reader: ContentReader;
  readonly policy: AdvisoryPolicy;
  /** What a lock file names, by package. */
  readonly locked: ReadonlyMap<PackageName, ReadonlySet<VersionText>>;
  readonly overrides: readonly WkgOverride[];
  readonly onStep: (what: string) => void;
}

/** What all readers of content keep in memory together: as much as a person's computer can spare. */
const READING_BYTES_MAX = 256 * 1024 * 1024;
/** Content read at a time: enough to keep a line busy. A content index that one holds is decoded to about twice its size. */
const READS_AT_ONCE_MAX = Math.floor(READING_BYTES_MAX / Math.max(DEPENDENCY_BYTES_MAX, 3 * TREE_INDEX_BYTES_MAX));

/** Reads packages under verified views, and what they need out of their content. */
export class ProjectSource implements PackageSource {
  readonly #parts: ProjectSourceParts;
  readonly #packages = new Map<PackageName, VerifiedPackage>();
  /** Sizes by digest. */
  readonly #sizes = new Map<Digest, number>();

  constructor(parts: ProjectSourceParts) {
    this.#parts = parts;
  }

  async releases(names: readonly PackageName[]): Promise<ReadonlyMap<PackageName, PackageReleases | null>> {
    const { client, policy, locked, onStep } = this.#parts;
    onStep(`verifying the logs of ${names.length} packages`);
    const view = await client.view(names);
    return new Map(
      names.map((name) => {
        const log = view.packages.get(name);
        if (log === undefined) return [name, null];
        this.#packages.set(name, log);
        return [name, releasesOf({ log, policy, locked: locked.get(name) ?? new Set() })];
      }),
    );
  }

  async needs(releases: readonly ReleaseId[]): Promise<readonly (readonly PackageNeed[])[]> {
    const found: (readonly PackageNeed[])[] = [];
    await forEachAtOnce(READS_AT_ONCE_MAX, [...releases.entries()], async ([i, release]) => {
      found[i] = await this.#needsOf(release);
    });
    return found;
  }

  async #needsOf(release: ReleaseId): Promise<readonly PackageNeed[]> {
    const { client, cache, reader, overrides, onStep } = this.#parts;
    const log = this.#packages.get(release.name);
    if (log === undefined) throw new TypeError(`${release.name} was not read`);
    const { content, release: found } = releaseOf(log.state, release.version);
    onStep(`reading ${releaseText(release)}`);
    await requireClaim(release.name, found, streamContent(content, { client, cache }));
    const code = isTreeClaim(found.claim) ? await this.#componentOf(content) : content;
    if (code === null) return [];
    const survey = await reader(this.#measured(code));
    return needsOf(release, survey, overrides);
  }

  /** By an index that is one: its claim was checked. */
  async #componentOf(content: Digest): Promise<Digest | null> {
    const { client, cache } = this.#parts;
    const index = await readContent(content, { client, cache });
    this.#sizes.set(content, index.length);
    return componentIn(index);
  }

  async *#measured(content: Digest): AsyncGenerator<Uint8Array, void, undefined> {
    const { client, cache } = this.#parts;
    let size = 0;
    for await (const chunk of streamContent(content, { client, cache })) {
      size += chunk.length;
      yield chunk;
    }
    this.#sizes.set(content, size);
  }

  /** Bytes of content that was read. */
  sizeOf(content: Digest): number {
    const size = this.#sizes.get(content);
    if (size === undefined) throw new TypeError(`${content} was not read`);
    return size;
  }
}
