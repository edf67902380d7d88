// What packages are made of. Apart from the main entry, which a page loads to verify logs and no content.
export { composeComponents, type Composition } from './compose/composition.ts';
export { type Dependency } from './compose/composition-plan.ts';
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
