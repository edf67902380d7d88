import { concatBytes, utf8 } from '@waybill/protocol';

/*
 * The smallest components that import what a test wants, byte by byte: an interface without anything in it has a type of two
 * bytes.
 */

const COMPONENT = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const EMPTY_INSTANCE_TYPE = [0x42, 0x00];

function size(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...size(Math.floor(value / 0x80))];
}

function name(text: string): number[] {
  const bytes = utf8(text);
  return [...size(bytes.length), ...bytes];
}

function section(id: number, contents: readonly number[]): number[] {
  return [id, ...size(contents.length), ...contents];
}

/** A component that imports interfaces by these names; the note makes it another one. */
export function componentOf(imports: readonly string[], note: string): Uint8Array {
  const types = section(7, [1, ...EMPTY_INSTANCE_TYPE]);
  const imported = section(10, [...size(imports.length), ...imports.flatMap((each) => [0, ...name(each), 5, 0])]);
  return concatBytes(
    new Uint8Array([...COMPONENT, ...section(0, [...name('note'), ...utf8(note)]), ...types, ...imported]),
  );
}

/** A WIT package of one interface, which uses one of each of these. */
export function witPackageOf(id: string, version: string, uses: readonly string[]): Uint8Array {
  const used = uses.flatMap((each, i) => [0x01, ...EMPTY_INSTANCE_TYPE, 0x03, 0, ...name(each), 5, ...size(i)]);
  const own = [0x01, ...EMPTY_INSTANCE_TYPE, 0x04, 0, ...name(`${id}/api@${version}`), 5, ...size(uses.length)];
  const type = [0x41, ...size(uses.length * 2 + 2), ...used, ...own];
  const exported = section(11, [1, 0, ...name('api'), 3, 0, 0]);
  return new Uint8Array([...COMPONENT, ...section(7, [1, ...type]), ...exported]);
}
