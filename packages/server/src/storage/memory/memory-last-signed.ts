import type { LastSigned, SignedMark } from '../../core/ports.ts';

/** A {@link LastSigned} that ends with the process: for tests. */
export class MemoryLastSigned implements LastSigned {
  mark: SignedMark | null = null;

  async read(): Promise<SignedMark | null> {
    return this.mark;
  }

  async write({ logLength, logRoot, mapRoot, timestamp }: SignedMark): Promise<void> {
    this.mark = { logLength, logRoot, mapRoot, timestamp };
  }
}
