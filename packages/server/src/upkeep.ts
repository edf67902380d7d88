import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContentPacking } from './core/content-packing.ts';
import type { ContentScrub } from './core/content-scrub.ts';
import type { HoldingsFill } from './core/holdings-fill.ts';
import {
  HEAD_REFRESH_CHECK_MS,
  HOLDINGS_CHECK_MS,
  HOLDINGS_STEP_PAUSE_MS,
  PACK_WORK_SHARE_MAX,
  PRUNE_STEP_PAUSE_MS,
  PRUNE_WALK_PAUSE_MS,
  SOURCING_SWEEP_MS,
  TOKEN_USES_PAUSE_MS,
} from './core/limits.ts';
import type { MapPruner } from './core/map-pruner.ts';
import type { OciSweep } from './core/oci/oci-sweep.ts';
import type { Publishing } from './core/publishing.ts';
import type { Sequencer } from './core/sequencer.ts';
import type { TokenDesk } from './core/token-desk.ts';

export interface UpkeepParts {
  readonly sequencer: Sequencer;
  readonly publishing: Publishing;
  readonly pruner: MapPruner;
  readonly scrub: ContentScrub;
  readonly packing: ContentPacking;
  readonly filling: HoldingsFill;
  readonly tokens: TokenDesk;
  readonly ociSweep: OciSweep;
  readonly log: Logger;
}

/** What goes on beside requests: each task again and again, a pause between. Returns the end of it, when nothing runs any more. */
export function startUpkeep({
  sequencer,
  publishing,
  pruner,
  scrub,
  packing,
  filling,
  tokens,
  ociSweep,
  log,
}: UpkeepParts): () => Promise<void> {
  const ending = new AbortController();
  const repeat = async (task: () => Promise<number>): Promise<void> => {
    for (let pauseMs = 0; !ending.signal.aborted;) {
      await pause(pauseMs, undefined, { signal: ending.signal, ref: false }).catch(() => undefined);
      if (ending.signal.aborted) return;
      pauseMs = await task().catch((failure: unknown) => {
        log.error(failure);
        return SOURCING_SWEEP_MS;
      });
    }
  };
  const tasks = [
    repeat(async () => {
      await publishing.sweep();
      return SOURCING_SWEEP_MS;
    }),
    repeat(async () => {
      await sequencer.refreshHead();
      return HEAD_REFRESH_CHECK_MS;
    }),
    repeat(async () => ((await pruner.step()) ? PRUNE_STEP_PAUSE_MS : PRUNE_WALK_PAUSE_MS)),
    repeat(() => scrub.step()),
    repeat(() => takingShare(PACK_WORK_SHARE_MAX, () => packing.step())),
    repeat(() => ociSweep.step()),
    repeat(async () => ((await filling.step()) ? HOLDINGS_STEP_PAUSE_MS : HOLDINGS_CHECK_MS)),
    repeat(async () => {
      await tokens.writeUses();
      return TOKEN_USES_PAUSE_MS;
    }),
  ];
  return async () => {
    ending.abort();
    await Promise.all(tasks);
  };
}

/** As long as the step asks to pause, and longer where it took longer than its share of the time. */
async function takingShare(share: number, step: () => Promise<number>): Promise<number> {
  const startedMs = performance.now();
  const pauseMs = await step();
  return Math.max(pauseMs, (performance.now() - startedMs) * (1 / share - 1));
}
