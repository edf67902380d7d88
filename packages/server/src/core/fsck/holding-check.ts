import type { PackageEntry, SignedRecord } from '@waybill/protocol';
import { holdingsOf } from '../holding.ts';
import type { RecordRange, StoreInspection } from '../ports.ts';
import type { Findings } from './findings.ts';
import type { RepairPlan } from './repair-plan.ts';

export interface HoldingCheckParts {
  readonly store: Pick<StoreInspection, 'surveyHoldings' | 'hasHolding'>;
  readonly findings: Findings;
  readonly repairs: RepairPlan;
}

/** Compares the holdings with the records that they follow from: each is looked for, and those found are counted. */
export class HoldingCheck {
  readonly #parts: HoldingCheckParts;
  /** `null` in a store without any. */
  #survey: { readonly rows: number; readonly gap: RecordRange | null } | null = null;
  #found = 0;

  constructor(parts: HoldingCheckParts) {
    this.#parts = parts;
  }

  /** Before the first record. */
  async load(): Promise<void> {
    this.#survey = await this.#parts.store.surveyHoldings();
  }

  /** Of each package record that decodes. */
  async expect(record: SignedRecord<PackageEntry>, registryIndex: number): Promise<void> {
    if (this.#survey === null) return;
    const { gap } = this.#survey;
    for (const holding of holdingsOf(record, registryIndex)) {
      const isThere = await this.#parts.store.hasHolding(holding);
      if (isThere) this.#found++;
      const isAwaited = gap !== null && gap.from <= registryIndex && registryIndex < gap.to;
      if (!isThere && !isAwaited) this.#name(`record ${registryIndex}`, `${holding.digest} does not lead to it`);
    }
  }

  /** After the last record. */
  finish(records: number): void {
    if (this.#survey === null) return;
    const { rows, gap } = this.#survey;
    // A record that is damaged has lost what its rows follow from, and is named itself.
    const isKnown = this.#parts.findings.count('record', 'store') === 0;
    if (isKnown && rows > this.#found) this.#name('holdings', `${rows - this.#found} of them lead to no release`);
    if (gap === null) return;
    const isRange = gap.from >= 0 && gap.from < gap.to;
    if (!isRange || (isKnown && gap.to > records)) this.#name('gap of the holdings', 'there are no such records');
    else {
      const what = `records ${gap.from} to ${gap.to - 1} cannot be found by their content yet`;
      this.#parts.findings.remark(`${what}: the server goes on with it when it runs`);
    }
  }

  #name(at: string, problem: string): void {
    this.#parts.findings.add('holding', at, problem, true);
    this.#parts.repairs.emptyHoldings = true;
  }
}
