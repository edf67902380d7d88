import { authorOf, publish, type Author, type PublishedPlan, type Registry } from '@waybill/client';
import {
  formatPrivateKey,
  parseDigest,
  parseJosePrivateKey,
  parsePackageName,
  parseVersion,
  type ContentClaim,
} from '@waybill/protocol';
import { randomKey } from './registry.ts';

/** Bytes to release, and as what. */
interface LibraryRelease {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
  /** What the release says of them, unchecked; `null`: nothing, as in a package of version 0. */
  readonly mediaType: string | null;
}

/** Somebody who publishes with the client's library, in this process. */
export class LibraryAuthor {
  readonly #registry: Registry;
  readonly #author: Author = authorOf([parseJosePrivateKey(formatPrivateKey(randomKey()))]);

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  release({ name, version, digest, bytes, mediaType }: LibraryRelease): Promise<PublishedPlan> {
    const content = parseDigest(digest);
    const claim: ContentClaim | null = mediaType === null ? null : { mediaType, size: bytes.length };
    return publish(
      {
        name: parsePackageName(name),
        entries: () => [{ type: 'release', version: parseVersion(version), content, ...(claim && { claim }) }],
        annotations: [],
        contents: new Map([[content, async () => new Blob([new Uint8Array(bytes)])]]),
        final: false,
      },
      {
        client: this.#registry.client,
        author: this.#author,
        clock: Date.now,
        random: (length) => crypto.getRandomValues(new Uint8Array(length)),
        onStep: () => undefined,
      },
    );
  }
}
