// What packages are made of. Apart from the main entry, which a page loads to verify logs and no content.
export { ContentSplitter, type ContentPart } from './parts/content-splitter.ts';
export { PART_BYTES_MAX, PARTS_MAX } from './parts/part-sizes.ts';
export {
  decodePartsListUnverified,
  encodePartsList,
  type PartKeys,
  partKeysUnverified,
  PARTS_LIST_BYTES_MAX,
  partLengthsUnverified,
  PARTS_LIST_MEDIA_TYPE,
} from './parts/parts-list.ts';
export { decodePartsRequest, PART_RUNS_MAX, partsRequestBody, type PartRun } from './parts/parts-request.ts';
export { composeComponents, type Composition } from './compose/composition.ts';
export { type Dependency, type SupplyReach } from './compose/composition-plan.ts';
export {
  WIT_PACKAGE_BYTES_MAX,
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
export { witPackageName } from './wit/identity.ts';
export { printWit } from './wit/print.ts';
export { claimedKindOf, CONTENT_KINDS, type ClaimedKind, type ContentKind, type ContentKindRow } from './kind.ts';
export {
  bytesKeptByCheck,
  kindCheckOf,
  kindDemand,
  requireReleaseName,
  type KindCheck,
  type KindDemand,
  type ReleaseName,
} from './kind-check.ts';
export { KeptBytes } from './kept-bytes.ts';
export { kindsOfBytes, type SaidKinds } from './wit/kinds-of-bytes.ts';
export {
  decodeTreeIndex,
  encodeTreeIndex,
  TREE_BYTES_MAX,
  TREE_FILES_MAX,
  TREE_INDEX_BYTES_MAX,
  type TreeFile,
} from './tree/tree-index.ts';
export { requireTreePath, TREE_COMPONENT_PATH, TREE_PATH_BYTES_MAX, treeError } from './tree/tree-path.ts';
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
export { WasmOutlineReader } from './binary/outline-reader.ts';
export { type WasmLayer, type WasmSection } from './binary/section.ts';
export { type ComponentSort, type NameAttributes } from './binary/component-type.ts';
export { type CoreExport, type CoreImport } from './binary/core-module.ts';
export { type CoreBounds, type CoreExternType, type CoreSignature } from './binary/core-type.ts';
export { meetsIntegrity } from './binary/integrity.ts';
export {
  type ComponentName,
  type DependencyName,
  type InterfaceName,
  parseComponentName,
} from './binary/import-name.ts';
export { type PackageDocs, type WasmMetadata, type WasmProducer } from './binary/metadata.ts';
export { decodeWit, isProfile } from './wit/decode.ts';
export { compareWit } from './wit/compare-document.ts';
export { type WitDifference } from './wit/compare-interface.ts';
export { fitsWorld, missingFor, type WitMissing } from './wit/compare-profile.ts';
export { greatestImpact, neededStep, stepFits, type VersionStep, type WitImpact } from './wit/compare-versions.ts';
export { changeText, differenceLines, type VersionPair } from './wit/change-text.ts';
export {
  interfaceChange,
  ownWorld,
  readInterface,
  releaseBefore,
  STEP_CONTENT_BYTES_MAX,
  type InterfaceChange,
  type InterfaceReading,
  type VersionedInterface,
} from './wit/interface-change.ts';
export { compareWorlds } from './wit/compare-world.ts';
export { encodeWit } from './wit/encode-package.ts';
export { type WitSource } from './wit/parse-source.ts';
export { isWitText } from './wit/parse-tokens.ts';
export { packagesHeld, packagesNamed, parseWit, type WitText } from './wit/resolve-document.ts';
export { decodeEmbeddedWit } from './wit/embedded.ts';
export {
  contentDependencies,
  DEPENDENCY_BYTES_MAX,
  dependencyEdges,
  DependencyReader,
  type ContentDependencies,
  type DependencyEdge,
  type ImportName,
} from './wit/dependency-edges.ts';
export { trackOf } from './version-track.ts';
export {
  type ClaimedReleases,
  decodeHeldReleases,
  type HeldRelease,
  type HeldReleases,
  heldReleasesBody,
} from './held-release.ts';
