import { interfaceDifferences, memberDifferences, notesDifferences, type WitDifference } from './compare-interface.ts';
import { TypeComparison } from './compare-shapes.ts';
import { worldDifferences } from './compare-world.ts';
import type { WitDocument, WitInterface } from './model.ts';

/**
 * What differs between two versions of a package, with the rules of docs/decisions/0021-interface-versions.md. Its greatest
 * impact asks for the step of the version: `greatestImpact`, `neededStep`, `stepFits`.
 */
export function compareWit(before: WitDocument, after: WitDocument): readonly WitDifference[] {
  const comparison = new TypeComparison([before.main.id, after.main.id]);
  const isReference = ({ name }: WitInterface) => name !== null;
  return [
    ...memberDifferences('', before.main.interfaces, after.main.interfaces, 'given', (path, a, b) =>
      interfaceDifferences(path, a, b, 'given', comparison),
    ),
    ...memberDifferences('', before.main.worlds, after.main.worlds, 'given', (path, a, b) =>
      worldDifferences(path, a, b, { comparison, isReference }),
    ),
    ...notesDifferences('', before.main, after.main),
  ];
}
