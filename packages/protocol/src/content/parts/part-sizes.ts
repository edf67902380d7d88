/** Bytes of the parts of one kind of bytes (spec/parts.md 3). */
export interface PartSizes {
  readonly min: number;
  /** From this length on a part ends more readily. */
  readonly target: number;
  readonly max: number;
  /** Leading bits of the rolling hash that are zero where a part below `target` ends, and where a longer one does. */
  readonly strictBits: number;
  readonly looseBits: number;
}

/** Code, and everything else that is not {@link FINE_PARTS}. */
export const COARSE_PARTS: PartSizes = { min: 4_096, target: 16_384, max: 65_536, strictBits: 16, looseBits: 12 };

/** Data of core modules: a heap that a toolchain has stored differs in many small places. */
export const FINE_PARTS: PartSizes = { min: 256, target: 768, max: 8_192, strictBits: 11, looseBits: 8 };

/** Contents of a data section from and to these lengths have fine parts: more would make the list too long. */
export const FINE_CONTENTS_BYTES_MIN = 4_096;
export const FINE_CONTENTS_BYTES_MAX = 16 * 1024 * 1024;

/** A section starts a part of its own if the part before it has this many bytes. */
export const JOINED_BYTES_MIN = 1_024;

/** Modules and components inside each other that are entered, the outermost included. */
export const NESTING_MAX = 32;

/** Bytes of the longest part of any kind. */
export const PART_BYTES_MAX = COARSE_PARTS.max;

/** Parts of one content: beyond, it has no expanded form. */
export const PARTS_MAX = 131_072;
