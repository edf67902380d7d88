import { encodeHex, digestHex, isRegistryError, messageOf, sha256Stream, type Digest } from '@waybill/protocol';
import type { ContentStore } from '../ports.ts';
import type { RegistryTakedowns } from '../registry-takedowns.ts';
import { DigestSet } from './digest-set.ts';
import type { Findings } from './findings.ts';

const MISSING = 'it is missing';

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
  async require(digest: Digest, at: string): Promise<void> {
    if (!this.#known.add(digest) || this.#content === null) return;
    const problem = await contentProblem(this.#content, digest);
    if (problem === MISSING && this.#takedowns?.has(digest) === true) {
      this.#findings.remark(`content ${digest} is not here, and is taken down`);
    } else if (problem !== null) this.#findings.add('content', digest, `${problem} (${at} needs it)`);
  }

  /** Content that may be there. */
  expect(digest: Digest): void {
    this.#waiting.add(digest);
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
    return encodeHex(hash.digest()) === digestHex(digest) ? null : 'its bytes have another digest';
  } catch (failure) {
    if (isRegistryError(failure)) return messageOf(failure);
    throw failure;
  }
}
