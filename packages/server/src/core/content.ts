import {
  digestHex,
  encodeHex,
  isRegistryError,
  RegistryError,
  sha256Stream,
  type Digest,
  type PackageName,
  type Sha256Stream,
} from '@waybill/protocol';
import { kindCheckOf, kindDemand, type ClaimedKind, type KindCheck, type KindDemand } from '@waybill/protocol/content';
import { JUDGED_CONTENTS_MAX } from './limits.ts';
import type { NamedContent } from './named-content.ts';
import type { ContentStore } from './ports.ts';

/** What may be published: WebAssembly and trees only, or whatever the publishers like. */
export type ContentPolicy = 'wasm' | 'any';

/**
 * What the bytes must be, by all that names them in a record of a package: spec/content.md 3. Throws `content/policy` for a kind
 * that is not taken.
 */
export function demandsOf(
  named: readonly NamedContent[],
  { name, policy }: { readonly name: PackageName; readonly policy: ContentPolicy },
): readonly KindDemand[] {
  const demands = named.map((one) => {
    const release = one.version === null ? null : { name, version: one.version };
    return kindDemand(kindAsked(one, policy), release);
  });
  return [...new Map(demands.map((demand) => [demandText(demand), demand])).values()];
}

function demandText({ kind, release }: KindDemand): string {
  return release === null ? kind : `${kind} ${release.name}@${release.version}`;
}

function kindAsked({ by, kind, claim }: NamedContent, policy: ContentPolicy): ClaimedKind {
  if (by !== 'release') return kind;
  if (policy === 'any') return claim === null ? 'other' : kind;
  if (kind !== 'other') return kind;
  throw new RegistryError(
    'content/policy',
    `this registry takes WebAssembly and trees of files, not ${claim?.mediaType ?? 'other content'}`,
  );
}

export interface IncomingContent {
  readonly digest: Digest;
  readonly body: AsyncIterable<Uint8Array>;
  /** All that the bytes must be. */
  readonly demands: readonly KindDemand[];
  readonly bytesMax: number;
  /** Called for every chunk: a slow upload is not an idle one. */
  readonly onProgress: () => void;
}

/**
 * Receives one upload: hashed, measured and judged while it is written; kept only when all of it was right, else nothing
 * stays. Throws `content/size`, `content/policy`, `content/tree`, `content/digest`, `storage/full`, and what reading the body throws.
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
  readonly #checks: readonly KindCheck[];
  readonly #bytesMax: number;
  #bytes = 0;
  /** Told only once the digest is known to be right: other bytes than the record names say nothing of the record. */
  #refusal: RegistryError | null = null;

  constructor({ demands, bytesMax }: Pick<IncomingContent, 'demands' | 'bytesMax'>) {
    this.#checks = demands.map(kindCheckOf);
    this.#bytesMax = bytesMax;
  }

  update(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) {
      throw new RegistryError('content/size', `content is over the limit of ${this.#bytesMax} bytes`);
    }
    this.#hash.update(chunk);
    if (this.#refusal === null) this.#judge((check) => check.update(chunk));
  }

  finish(digest: Digest): void {
    const found = encodeHex(this.#hash.digest());
    if (found !== digestHex(digest)) {
      throw new RegistryError('content/digest', `the bytes received have the digest sha256:${found}, not ${digest}`);
    }
    if (this.#refusal === null) this.#judge((check) => check.finish());
    if (this.#refusal !== null) throw this.#refusal;
  }

  #judge(step: (check: KindCheck) => void): void {
    try {
      this.#checks.forEach(step);
    } catch (failure) {
      if (!(failure instanceof RegistryError)) throw failure;
      this.#refusal = failure;
    }
  }
}

/** Which content is known to be what: what many releases name is not read again for each. */
export class JudgedContents {
  readonly #passed = new Set<string>();

  add(digest: Digest, demands: readonly KindDemand[]): void {
    for (const demand of demands) this.#passed.add(keyOf(digest, demand));
    for (const oldest of this.#passed) {
      if (this.#passed.size <= JUDGED_CONTENTS_MAX) return;
      this.#passed.delete(oldest);
    }
  }

  /**
   * Judges content that is kept, and reads it only for what it was not judged for. Throws `content/policy`, `content/tree`, and
   * `storage/damaged` where the bytes are not those of the digest: they say nothing of a record.
   */
  async judgeKept(
    store: Pick<ContentStore, 'read'>,
    { digest, size }: { readonly digest: Digest; readonly size: number },
    demands: readonly KindDemand[],
  ): Promise<void> {
    const open = demands.filter((demand) => demand.kind !== 'other' && !this.#passed.has(keyOf(digest, demand)));
    if (open.length === 0) return;
    const check = new ContentCheck({ demands: open, bytesMax: size });
    for await (const chunk of store.read(digest, { start: 0, end: size })) check.update(chunk);
    try {
      check.finish(digest);
    } catch (cause) {
      if (!isRegistryError(cause, 'content/digest')) throw cause;
      throw new RegistryError('storage/damaged', `${digest} is damaged: its bytes have another digest`, {}, { cause });
    }
    this.add(digest, open);
  }
}

function keyOf(digest: Digest, demand: KindDemand): string {
  return `${demandText(demand)} ${digest}`;
}
