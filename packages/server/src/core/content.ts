import {
  digestHex,
  encodeHex,
  RegistryError,
  sha256Stream,
  WasmScanner,
  type Digest,
  type Sha256Stream,
} from '@waybill/protocol';
import { JUDGED_CONTENTS_MAX } from './limits.ts';
import type { ContentStore } from './ports.ts';

/** What may be published: WebAssembly only, or whatever the publishers like. */
export type ContentPolicy = 'wasm' | 'any';

export interface IncomingContent {
  readonly digest: Digest;
  readonly body: AsyncIterable<Uint8Array>;
  readonly policy: ContentPolicy;
  readonly bytesMax: number;
  /** Called for every chunk: a slow upload is not an idle one. */
  readonly onProgress: () => void;
}

/**
 * Receives one upload: hashed, measured and judged while it is written; kept only when all of it was right, else nothing
 * stays. Throws `content/size`, `content/policy`, `content/digest`, `storage/full`, and what reading the body throws.
 */
export async function receiveContent(store: ContentStore, incoming: IncomingContent): Promise<void> {
  const upload = await store.startUpload();
  const check = new ContentCheck(incoming);
  try {
    for await (const chunk of incoming.body) {
      check.update(chunk);
      await upload.write(chunk);
      incoming.onProgress();
    }
    check.finish(incoming.digest);
    await upload.keep(incoming.digest);
  } catch (failure) {
    await upload.discard();
    throw failure;
  }
}

class ContentCheck {
  readonly #hash: Sha256Stream = sha256Stream();
  readonly #scanner: WasmScanner | null;
  readonly #bytesMax: number;
  #bytes = 0;
  /** Told only once the digest is known to be right: other bytes than the record names say nothing of the record. */
  #refusal: RegistryError | null = null;

  constructor({ policy, bytesMax }: Pick<IncomingContent, 'policy' | 'bytesMax'>) {
    this.#scanner = policy === 'wasm' ? new WasmScanner() : null;
    this.#bytesMax = bytesMax;
  }

  update(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) {
      throw new RegistryError('content/size', `content is over the limit of ${this.#bytesMax} bytes`);
    }
    this.#hash.update(chunk);
    if (this.#refusal === null) this.#judge(() => this.#scanner?.update(chunk));
  }

  finish(digest: Digest): void {
    const found = encodeHex(this.#hash.digest());
    if (found !== digestHex(digest)) {
      throw new RegistryError('content/digest', `the bytes received have the digest sha256:${found}, not ${digest}`);
    }
    if (this.#refusal === null) this.#judge(() => this.#scanner?.finish());
    if (this.#refusal !== null) throw this.#refusal;
  }

  #judge(step: () => void): void {
    try {
      step();
    } catch (failure) {
      if (!(failure instanceof RegistryError)) throw failure;
      this.#refusal = failure;
    }
  }
}

/** Which content is known to be WebAssembly: what many releases name is not read again for each. */
export class JudgedContents {
  readonly #passed = new Set<Digest>();

  add(digest: Digest): void {
    this.#passed.add(digest);
    for (const oldest of this.#passed) {
      if (this.#passed.size <= JUDGED_CONTENTS_MAX) return;
      this.#passed.delete(oldest);
    }
  }

  /** Judges content that is kept. Throws `content/policy`. */
  async judgeKept(store: Pick<ContentStore, 'read'>, digest: Digest, size: number): Promise<void> {
    if (this.#passed.has(digest)) return;
    const scanner = new WasmScanner();
    for await (const chunk of store.read(digest, { start: 0, end: size })) scanner.update(chunk);
    scanner.finish();
    this.add(digest);
  }
}
