// What packages are made of. Apart from the main entry, which a page loads to verify logs and no content.
export { ContentSplitter, type ContentPart } from './parts/content-splitter.ts';
export { PART_BYTES_MAX, PARTS_MAX } from './parts/part-sizes.ts';
export {
  decodePartsListUnverified,
  encodePartsList,
  PARTS_LIST_BYTES_MAX,
  PARTS_LIST_MEDIA_TYPE,
} from './parts/parts-list.ts';
export { decodePartsRequest, PART_RUNS_MAX, partsRequestBody, type PartRun } from './parts/parts-request.ts';
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
