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
  type KindDemand,
  type ReleaseName,
  type WasmOutline,
} from '@waybill/protocol/content';
import type { ContentPolicy } from '../content.ts';
import { OUTLINE_STRETCH_BYTES, OUTLINE_STRETCH_BYTES_MAX } from '../limits.ts';
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
  /** What they were held against. */
  readonly passed: readonly KindDemand[];
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
    if (policy === 'any') return { mediaTypes: ['application/octet-stream'], passed: [], warning: null };
    throw refused(
      `its layer is no WebAssembly, and this registry takes WebAssembly and trees of files: for a tree, push ` +
        'several files with titles, or ask its operator for --any-content',
    );
  }
  const { kinds, packageId } = await saidKinds(bytes, outline);
  if (packageId !== null) for (const release of releases) asManifest(() => requireReleaseName(packageId, release));
  const particular = kinds.flatMap((kind) => CONTENT_KINDS[kind].mediaType ?? []);
  return {
    mediaTypes: [...particular, 'application/wasm'],
    passed: [WASM],
    warning: contradictedVersion(outline, releases),
  };
}

/** What is asked of a release that says nothing of its content. */
const WASM: KindDemand = kindDemand('wasm', null);

interface Outlined {
  readonly isWasm: boolean;
  /** `null` for what cannot be decoded. */
  readonly outline: WasmOutline | null;
}

async function outlineOf(bytes: PushedBytes): Promise<Outlined> {
  const outline = await orNull(() => readOutline(bytes));
  // What has an outline passes: its preamble is right, and its sections end where they should.
  return { isWasm: outline !== null || (await passesAsWasm(bytes)), outline };
}

/** Reads on where there is something to read: the code in a module is of no interest. */
async function readOutline({ size, read }: PushedBytes): Promise<WasmOutline> {
  const reader = new WasmOutlineReader();
  let stretch = OUTLINE_STRETCH_BYTES;
  for (let at = 0; at < size;) {
    const end = Math.min(size, at + stretch);
    for await (const chunk of read({ start: at, end })) reader.update(chunk);
    const skipped = Math.min(reader.uninteresting, size - end);
    reader.passOver(skipped);
    at = end + skipped;
    // Where there is little to skip it costs less to read all.
    stretch = skipped >= stretch ? OUTLINE_STRETCH_BYTES : Math.min(2 * stretch, OUTLINE_STRETCH_BYTES_MAX);
  }
  return reader.finish();
}

/** Claims nothing but sections that end where they should. */
async function passesAsWasm({ size, read }: PushedBytes): Promise<boolean> {
  const check = kindCheckOf(WASM);
  const passed = await orNull(async () => {
    for await (const chunk of read({ start: 0, end: size })) check.update(chunk);
    check.finish();
    return true;
  });
  return passed !== null;
}

/** `null` for bytes that are not what they were read as. */
async function orNull<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/policy', 'content/not-analysed')) return null;
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
  const text = outline?.metadata.version?.trim();
  const said = text === undefined ? null : versionOrNull(text);
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
