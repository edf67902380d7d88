import { isRegistryError } from '@waybill/protocol';
import {
  KeptBytes,
  kindsOfBytes,
  requireReleaseName,
  WasmOutlineReader,
  WIT_PACKAGE_BYTES_MAX,
  type ReleaseName,
  type WasmOutline,
} from '@waybill/protocol/content';
import { isVersion } from './requirement.ts';

/**
 * What content says of its own name and version, against the release that it is given as. A release without a claim, as in
 * version 0, promises nothing of what is inside, so that nobody refuses one for it (spec/content.md 3.5): whoever takes it is told.
 * Bytes are heard on their way to somebody else, and none of them is an error here.
 */
export class InnerName {
  readonly #release: ReleaseName;
  readonly #outline = new WasmOutlineReader();
  readonly #kept = new KeptBytes(WIT_PACKAGE_BYTES_MAX);
  #isReadable = true;

  constructor(release: ReleaseName) {
    this.#release = release;
  }

  /** The same bytes, heard. */
  async *hear(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      this.update(chunk);
      yield chunk;
    }
  }

  update(chunk: Uint8Array): void {
    if (!this.#isReadable) return;
    this.#kept.add(chunk);
    this.#read(() => this.#outline.update(chunk));
  }

  /** After the last byte: a sentence for each contradiction. */
  contradictions(): readonly string[] {
    const outline = this.#read(() => this.#outline.finish());
    if (outline === null) return [];
    return [this.#contradictedName(outline), this.#contradictedVersion(outline)].filter((found) => found !== null);
  }

  #contradictedName({ kind }: WasmOutline): string | null {
    const bytes = kind === 'wit-package' ? this.#kept.take() : null;
    const packageId = bytes === null ? null : kindsOfBytes(bytes).packageId;
    if (packageId === null) return null;
    try {
      requireReleaseName(packageId, this.#release);
      return null;
    } catch (failure) {
      if (isRegistryError(failure, 'content/policy')) return failure.message;
      throw failure;
    }
  }

  #contradictedVersion({ metadata }: WasmOutline): string | null {
    const { name, version } = this.#release;
    const said = metadata.version?.trim() ?? '';
    if (!isVersion(said) || said === version) return null;
    return `content says that it is of version ${said}, and its release is ${name}@${version}`;
  }

  #read<T>(read: () => T): T | null {
    if (!this.#isReadable) return null;
    try {
      return read();
    } catch (failure) {
      if (!isRegistryError(failure, 'content/malformed', 'content/policy', 'content/not-analysed')) throw failure;
      this.#isReadable = false;
      return null;
    }
  }
}
