import { concatBytes, isRegistryError, parseVersion, RegistryError, type VersionText } from '@waybill/protocol';
import {
  kindCheckOf,
  kindDemand,
  kindsOfBytes,
  requireReleaseName,
  WasmOutlineReader,
  WIT_PACKAGE_BYTES_MAX,
  CONTENT_KINDS,
  type ContentKind,
  type ReleaseName,
  type WasmOutline,
} from '@waybill/protocol/content';
import type { ContentPolicy } from '../content.ts';
import type { ByteRange } from '../ports.ts';

/** Bytes that were pushed, before they are the content of anything. */
export interface PushedBytes {
  readonly size: number;
  readonly read: (range: ByteRange) => AsyncIterable<Uint8Array>;
}

/** What pushed bytes say of themselves. */
export interface PushedContent {
  /** Media types that a release may claim for them, the most particular one first. */
  readonly mediaTypes: readonly string[];
  /** That they call themselves another version: nobody is refused for it. `null` where they do not. */
  readonly warning: string | null;
}

/**
 * Looks at pushed bytes as the content of some releases: by their kind, and by what they say of name and version. What cannot be
 * decoded is WebAssembly all the same, and not analysed. Throws `oci/manifest` with a sentence for what no release may be.
 */
export async function examineContent(
  bytes: PushedBytes,
  { releases, policy }: { readonly releases: readonly ReleaseName[]; readonly policy: ContentPolicy },
): Promise<PushedContent> {
  const { isWasm, outline } = await outlineOf(bytes);
  if (!isWasm) {
    if (policy === 'any') return { mediaTypes: ['application/octet-stream'], warning: null };
    throw refused(
      `its layer is no WebAssembly, and this registry takes WebAssembly and trees of files: for a tree, push ` +
        'several files with titles, or ask its operator for --any-content',
    );
  }
  const { kinds, packageId } = await saidKinds(bytes, outline);
  if (packageId !== null) for (const release of releases) asManifest(() => requireReleaseName(packageId, release));
  const particular = kinds.flatMap((kind) => CONTENT_KINDS[kind].mediaType ?? []);
  return { mediaTypes: [...particular, 'application/wasm'], warning: contradictedVersion(outline, releases) };
}

interface Outlined {
  readonly isWasm: boolean;
  /** `null` for what cannot be decoded. */
  readonly outline: WasmOutline | null;
}

async function outlineOf({ size, read }: PushedBytes): Promise<Outlined> {
  const check = kindCheckOf(kindDemand('wasm', null));
  let reader: WasmOutlineReader | null = new WasmOutlineReader();
  try {
    for await (const chunk of read({ start: 0, end: size })) {
      check.update(chunk);
      const open: WasmOutlineReader | null = reader;
      if (open !== null && !hasRead(() => open.update(chunk))) reader = null;
    }
    check.finish();
  } catch (failure) {
    if (isRegistryError(failure, 'content/policy')) return { isWasm: false, outline: null };
    throw failure;
  }
  let outline: WasmOutline | null = null;
  const whole = reader;
  if (whole !== null) hasRead(() => (outline = whole.finish()));
  return { isWasm: true, outline };
}

function hasRead(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/policy', 'content/not-analysed')) return false;
    throw failure;
  }
}

type SaidKinds = ReturnType<typeof kindsOfBytes>;

/** Only a WIT package is read whole: everything else is told by its outline. */
async function saidKinds(bytes: PushedBytes, outline: WasmOutline | null): Promise<SaidKinds> {
  if (outline?.kind === 'module') return { kinds: ['module'], packageId: null };
  if (outline?.kind !== 'wit-package' || bytes.size > WIT_PACKAGE_BYTES_MAX) {
    return { kinds: outline === null ? NOT_ANALYSED : ['component'], packageId: null };
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes.read({ start: 0, end: bytes.size })) chunks.push(chunk.slice());
  return kindsOfBytes(concatBytes(...chunks));
}

/** Claimed to be WebAssembly, and nothing more particular. */
const NOT_ANALYSED: readonly ContentKind[] = [];

function contradictedVersion(outline: WasmOutline | null, releases: readonly ReleaseName[]): string | null {
  const said = versionOrNull(outline?.metadata.version?.trim() ?? '');
  const other = releases.find(({ version }) => said !== null && version !== said);
  return other === undefined
    ? null
    : `content says that it is of version ${said}, and its release is ${other.name}@${other.version}`;
}

function versionOrNull(text: string): VersionText | null {
  try {
    return parseVersion(text);
  } catch {
    return null;
  }
}

/** What is wrong with content is wrong with the manifest that names it. */
export function asManifest<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!isRegistryError(cause, 'content/policy', 'content/tree')) throw cause;
    throw refused(cause.message, cause);
  }
}

export function refused(why: string, cause?: unknown): RegistryError {
  return new RegistryError('oci/manifest', `the manifest is refused: ${why}`, {}, { cause });
}
