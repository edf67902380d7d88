/** What the reader of WebAssembly takes on before it gives up: far above what tools write, far below what hurts. */
export const WASM_LIMITS = {
  /** Components in components, or types in types. */
  nesting: 100,
  /** Steps of evaluation inside each other: an export of an alias of an import of an export. */
  chain: 300,
  /** Sections of a file, those of everything inside it among them. */
  sections: 200_000,
  /** Entries of one index space: types, functions, instances. */
  definitions: 1_000_000,
  imports: 100_000,
  exports: 100_000,
  nameBytes: 100_000,
  /** Fields, cases, flags, parameters and the like of one type. */
  members: 10_000,
  /** What one question about types may evaluate, counted in definitions. */
  steps: 500_000,
  /** Nodes of types and names in them, were every type that has no name written out wherever it is used. */
  expandedNodes: 1_000_000,
  /** Types inside a type that has no names between. */
  typeDepth: 100,
  /** Custom sections that are read, not only listed. */
  customBytes: 8_000_000,
  /** Tools in a `producers` section. */
  producers: 1_000,
  /** What reading from a stream keeps in memory. */
  keptBytes: 32_000_000,
} as const;
