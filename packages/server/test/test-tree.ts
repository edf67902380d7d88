import { digestOf, parseVersion, utf8, type Digest, type PackageEntry } from '@waybill/protocol';
import { CONTENT_KINDS, encodeTreeIndex, type ClaimedKind } from '@waybill/protocol/content';

/** A tree of files with all its bytes. */
export interface TestTree {
  readonly index: Uint8Array;
  readonly digest: Digest;
  readonly contents: ReadonlyMap<Digest, Uint8Array>;
}

export function treeOf(files: Readonly<Record<string, string | Uint8Array>>): TestTree {
  const named = Object.entries(files).map(([path, content]) => {
    const bytes = typeof content === 'string' ? utf8(content) : content;
    return { path, bytes, digest: digestOf(bytes) };
  });
  const index = encodeTreeIndex(named);
  return { index, digest: digestOf(index), contents: new Map(named.map(({ digest, bytes }) => [digest, bytes])) };
}

/** A release that says what kind its content is; as large as it is, if nothing else is given. */
export function releaseAs(kind: ClaimedKind, version: string, bytes: Uint8Array): PackageEntry {
  const mediaType = CONTENT_KINDS[kind].mediaType ?? 'application/octet-stream';
  return {
    type: 'release',
    version: parseVersion(version),
    content: digestOf(bytes),
    claim: { mediaType, size: bytes.length },
  };
}
