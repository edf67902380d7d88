import type { JsonValue } from '@waybill/protocol';
import type { InterfaceChange, VersionPair } from '@waybill/protocol/content';

/** Lines for a person; a program reads all of them. */
export const LINES_MAX = 200;

export function changeBody(change: InterfaceChange, { from, to }: VersionPair): { [key: string]: JsonValue } {
  const { differences, impact, neededStep, fits } = change;
  return {
    impact,
    from,
    to,
    neededStep,
    fits,
    differences: differences.map((difference) => ({
      path: difference.path,
      impact: difference.impact,
      what: difference.what,
    })),
  };
}
