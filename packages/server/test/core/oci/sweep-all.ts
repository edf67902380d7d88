import { OCI_SWEEP_WALK_PAUSE_MS } from '../../../src/core/limits.ts';
import type { OciWorld } from './oci-world.ts';

/** One walk over everything, from its start to its end. */
export async function sweepAll({ sweep }: OciWorld): Promise<void> {
  while ((await sweep.step()) !== OCI_SWEEP_WALK_PAUSE_MS);
}
