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
export { printWit } from './wit/print.ts';
export { WASM_LIMITS } from './binary/limits.ts';
export {
  type ComponentExtern,
  type ComponentOutline,
  type ModuleOutline,
  type WasmNode,
  type WasmOutline,
  readStructure,
  readWasm,
} from './binary/wasm-binary.ts';
export { type WasmLayer, type WasmSection } from './binary/section.ts';
export { type ComponentSort, type NameAttributes } from './binary/component-type.ts';
export { type CoreExport, type CoreImport } from './binary/core-module.ts';
export { type CoreBounds, type CoreExternType, type CoreSignature } from './binary/core-type.ts';
export {
  type ComponentName,
  type DependencyName,
  type InterfaceName,
  parseComponentName,
} from './binary/import-name.ts';
export { type PackageDocs, type WasmMetadata, type WasmProducer } from './binary/metadata.ts';
export { decodeWit, isProfile } from './wit/decode.ts';
export {
  contentDependencies,
  dependencyEdges,
  type ContentDependencies,
  type DependencyEdge,
  type ImportName,
} from './wit/dependency-edges.ts';
