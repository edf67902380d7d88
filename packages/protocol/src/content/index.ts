// What packages are made of. Apart from the main entry, which a page loads to verify logs and no content.
export {
  WIT_PRIMITIVES,
  type WitCase,
  type WitDefinition,
  type WitDocument,
  type WitField,
  type WitFunction,
  type WitInterface,
  type WitLabel,
  type WitNamedType,
  type WitNotes,
  type WitPackage,
  type WitPackageId,
  type WitPrimitive,
  type WitShape,
  type WitStability,
  type WitType,
  type WitWorld,
  type WitWorldItem,
} from './wit/model.ts';
export { compareWit } from './wit/compare-document.ts';
export { type WitDifference } from './wit/compare-interface.ts';
export { fitsWorld, missingFor, type WitMissing } from './wit/compare-profile.ts';
export { greatestImpact, neededStep, stepFits, type VersionStep, type WitImpact } from './wit/compare-versions.ts';
export { compareWorlds } from './wit/compare-world.ts';
export { encodeWit } from './wit/encode-package.ts';
export { type WitSource } from './wit/parse-source.ts';
export { parseWit, type WitText } from './wit/resolve-document.ts';
