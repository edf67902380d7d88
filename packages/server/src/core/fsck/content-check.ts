import { encodeHex, digestHex, isRegistryError, messageOf, sha256Stream, type Digest } from '@waybill/protocol';
import type { TreeFile } from '@waybill/protocol/content';
import type { NamedContent } from '../named-content.ts';
import type { ContentStore } from '../ports.ts';
import type { RegistryTakedowns } from '../registry-takedowns.ts';
import { findTreeIndex } from '../tree-index-reading.ts';
import { DigestSet } from './digest-set.ts';
import { MISSING, OTHER_BYTES, type Findings } from './findings.ts';

/** Content that records name, each looked at once. */
export class ContentCheck {
  readonly #content: Pick<ContentStore, 'size' | 'read'> | null;
  readonly #findings: Findings;
  readonly #known = new DigestSet();
  readonly #waiting = new DigestSet();
  #takedowns: RegistryTakedowns | null = null;

  /** Without `content` it is only noted what is known. */
  constructor(content: Pick<ContentStore, 'size' | 'read'> | null, findings: Findings) {
    this.#content = content;
    this.#findings = findings;
  }

  /** From here on, content that is taken down may be missing: somebody may have had to delete it. */
  excuse(takedowns: RegistryTakedowns | null): void {
    this.#takedowns = takedowns;
  }

  /** Content that a record names, which `at` names: it must be there, and be right. */
  async require({ digest, kind, at }: NamedContent): Promise<void> {
    await this.#require(digest, at);
    if (kind !== 'tree') return;
    // Somebody may have had to delete the files with it; what names them otherwise requires them.
    const isClosed = this.#takedowns?.has(digest) === true;
    for (const file of await this.#filesOf(digest)) {
      if (isClosed) this.#waiting.add(file.digest);
      else await this.#require(file.digest, `${file.path} of tree ${digest}`);
    }
  }

  async #require(digest: Digest, at: string): Promise<void> {
    if (!this.#known.add(digest) || this.#content === null) return;
    const problem = await contentProblem(this.#content, digest);
    if (problem === MISSING && this.#takedowns?.has(digest) === true) {
      this.#findings.remark(`content ${digest} is not here, and is taken down`);
    } else if (problem !== null) this.#findings.add('content', digest, `${problem} (${at} needs it)`);
  }

  /** Content that may be there. */
  async expect({ digest, kind }: NamedContent): Promise<void> {
    this.#waiting.add(digest);
    if (kind !== 'tree') return;
    for (const file of await this.#filesOf(digest)) this.#waiting.add(file.digest);
  }

  /** None where the index is missing or damaged, which is told of the index. */
  async #filesOf(index: Digest): Promise<readonly TreeFile[]> {
    return this.#content === null ? [] : ((await findTreeIndex(this.#content, index)) ?? []);
  }

  isKnown(digest: Digest): boolean {
    return this.#known.has(digest) || this.#waiting.has(digest);
  }
}

/** What is wrong with content, read to its end; `null` when nothing is. */
export async function contentProblem(
  content: Pick<ContentStore, 'size' | 'read'>,
  digest: Digest,
): Promise<string | null> {
  try {
    const size = await content.size(digest);
    if (size === null) return MISSING;
    const hash = sha256Stream();
    for await (const chunk of content.read(digest, { start: 0, end: size })) hash.update(chunk);
    return encodeHex(hash.digest()) === digestHex(digest) ? null : OTHER_BYTES;
  } catch (failure) {
    if (isRegistryError(failure)) return messageOf(failure);
    throw failure;
  }
}
