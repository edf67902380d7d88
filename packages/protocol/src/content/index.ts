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
export {
  claimedKindOf,
  CONTENT_KINDS,
  type ClaimedKind,
  type ContentKind,
  type ContentKindRow,
  type KindCheck,
} from './kind.ts';
export { kindCheckOf } from './tree/kind-check.ts';
export {
  decodeTreeIndex,
  encodeTreeIndex,
  TREE_BYTES_MAX,
  TREE_FILES_MAX,
  TREE_INDEX_BYTES_MAX,
  type TreeFile,
} from './tree/tree-index.ts';
export { requireTreePath, TREE_COMPONENT_PATH, TREE_PATH_BYTES_MAX, treeError, TreePaths } from './tree/tree-path.ts';
