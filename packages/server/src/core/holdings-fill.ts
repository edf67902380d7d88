import { isRegistryError } from '@waybill/protocol';
import { holdingsOfStored } from './holding.ts';
import { FETCH_PAGE_RECORDS, HOLDINGS_STEP_RECORDS, HOLDINGS_STEP_ROWS } from './limits.ts';
import type { Holding, HoldingsWriter, RecordRange, RegistryReader, StoredRecord } from './ports.ts';

export interface HoldingsFillParts {
  readonly store: Pick<RegistryReader, 'readHoldingsGap' | 'readRecords'>;
  readonly writer: HoldingsWriter;
}

/**
 * Makes the holdings of records that a build without them has stored, a few records at a time. Each step is durable with how far
 * it has come, so that whoever starts again goes on there.
 */
export class HoldingsFill {
  readonly #parts: HoldingsFillParts;

  constructor(parts: HoldingsFillParts) {
    this.#parts = parts;
  }

  /** Resolves with false when there is no gap. */
  async step(): Promise<boolean> {
    const { store, writer } = this.#parts;
    const gap = await store.readHoldingsGap();
    if (gap === null) return false;
    const { from } = gap;
    const { holdings, to } = await this.#holdingsOf({ from, to: Math.min(from + HOLDINGS_STEP_RECORDS, gap.to) });
    await writer.fillHoldings({ from, to }, holdings);
    return true;
  }

  /** Of the range, or of as much of it as one step may write. */
  async #holdingsOf({
    from,
    to,
  }: RecordRange): Promise<{ readonly holdings: readonly Holding[]; readonly to: number }> {
    const holdings: Holding[] = [];
    let atOnce = FETCH_PAGE_RECORDS;
    let next = from;
    while (next < to && holdings.length < HOLDINGS_STEP_ROWS) {
      const page = await this.#readable(next, Math.min(atOnce, to - next));
      if (page === null) {
        // One by one, past the damaged one: fsck names it, and it must not keep all others from being found.
        if (atOnce === 1) next++;
        atOnce = 1;
        continue;
      }
      const inRange = page.filter(({ registryIndex }) => registryIndex < to);
      for (const record of inRange) holdings.push(...holdingsOfStored(record));
      next = (inRange.at(-1)?.registryIndex ?? to - 1) + 1;
    }
    return { holdings, to: next };
  }

  /** `null` where one of them is damaged. */
  async #readable(from: number, limit: number): Promise<readonly StoredRecord[] | null> {
    try {
      return await this.#parts.store.readRecords(from, limit);
    } catch (failure) {
      if (isRegistryError(failure, 'storage/damaged')) return null;
      throw failure;
    }
  }
}
