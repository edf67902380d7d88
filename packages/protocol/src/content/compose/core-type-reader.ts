import { coreImportType, coreValueType } from '../binary/core-type.ts';
import type { Cursor } from '../binary/cursor.ts';
import { malformed, notAnalysed } from './refusal.ts';
import type { CoreTypeNode, Scope } from './type-node.ts';

const FUNCTION = 0x60;
const MODULE = 0x50;

/** Reads one core type into a scope: a function or a module. Throws `content/policy` for others. */
export function readCoreType(cursor: Cursor, scope: Scope): void {
  const parts: (Uint8Array | CoreTypeNode)[] = [];
  const start = cursor.offset;
  const code = cursor.byte();
  if (code === FUNCTION) functionType(cursor);
  else if (code === MODULE) return void scope.coreTypes.push({ home: scope, parts: moduleType(cursor, scope, start) });
  else throw notAnalysed(`a core type of the form 0x${code.toString(16)}`);
  parts.push(cursor.bytes.subarray(start, cursor.offset));
  scope.coreTypes.push({ home: scope, parts });
}

function functionType(cursor: Cursor): void {
  for (let lists = 2; lists > 0; lists--) {
    for (let left = cursor.count(1); left > 0; left--) coreValueType(cursor);
  }
}

/** The stretches between aliases stay bytes: their indexes are those of the module type itself. */
function moduleType(cursor: Cursor, scope: Scope, start: number): (Uint8Array | CoreTypeNode)[] {
  const parts: (Uint8Array | CoreTypeNode)[] = [];
  let from = start;
  for (let left = cursor.count(1); left > 0; left--) {
    const code = cursor.byte();
    if (code === 2) {
      const target = moduleAlias(cursor, scope);
      if (target === null) continue;
      parts.push(cursor.bytes.subarray(from, target.offset), target.node);
      from = cursor.offset;
    } else moduleDeclaration(cursor, code);
  }
  parts.push(cursor.bytes.subarray(from, cursor.offset));
  return parts;
}

function moduleDeclaration(cursor: Cursor, code: number): void {
  if (code === 1) {
    if (cursor.byte() !== FUNCTION) throw notAnalysed('a core type in a module type');
    functionType(cursor);
    return;
  }
  if (code !== 0 && code !== 3) throw notAnalysed('a declaration of a module type');
  if (code === 0) cursor.name();
  cursor.name();
  coreImportType(cursor, () => null);
}

/** `sort outer count index`: an index of the scope around it (count 1), or of the module type (count 0), which stays. */
function moduleAlias(cursor: Cursor, scope: Scope): { readonly node: CoreTypeNode; readonly offset: number } | null {
  if (cursor.byte() !== 0x10 || cursor.byte() !== 0x01) throw notAnalysed('an alias in a module type');
  const count = cursor.u32();
  const offset = cursor.offset;
  const node = scope.coreTypes[cursor.u32()];
  if (count === 0) return null;
  if (count !== 1 || node === undefined) throw malformed('an alias of a module type leads nowhere');
  return { node, offset };
}
