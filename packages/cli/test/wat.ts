import { parse } from '@bytecodealliance/jco';

/* Small content of tests, written as text. */

/** Adds numbers, and says how long a text is. */
export const SUMS = `(component
  (core module $m
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "size") (param i32 i32) (result i32) (local.get 1)))
  (core instance $i (instantiate $m))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func $size (param "text" string) (result u32)
    (canon lift (core func $i "size") (memory $i "memory") (realloc (func $i "realloc"))))
  (instance $sums (export "add" (func $add)) (export "size" (func $size)))
  (export "test:sums/sums@1.0.0" (instance $sums)))`;

/** Calls what it imports from another component's interface. */
export const LOGGING = `(component
  (import "test:log/log@1.0.0" (instance $log (export "say" (func))))
  ${calling('(func $log "say")')})`;

/** Asks for a module of Node.js by the name of an import. */
export const GREEDY = `(component
  (import "vm" (func $vm))
  ${calling('(func $vm)')})`;

function calling(imported: string): string {
  return `(core func $lowered (canon lower ${imported}))
  (core module $m (import "" "f" (func $f)) (func (export "run") (call $f)))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $lowered))))))
  (func (export "run") (canon lift (core func $i "run")))`;
}

/** The binary form of a WIT package of two interfaces, of which the second uses a type of the first. */
export const FACES = String.raw`(component
  (type $shapes (component
    (type (instance
      (type (record (field "x" u32) (field "y" u32)))
      (export "point" (type (eq 0)))))
    (export "test:faces/shapes@1.0.0" (instance (type 0)))))
  (export "shapes" (type $shapes))
  (type $drawing (component
    (type (instance
      (type (record (field "x" u32) (field "y" u32)))
      (export "point" (type (eq 0)))))
    (import "test:faces/shapes@1.0.0" (instance (type 0)))
    (alias export 0 "point" (type))
    (type (instance
      (alias outer 1 1 (type))
      (export "point" (type (eq 0)))
      (type (list 1))
      (type (result string (error u8)))
      (type (func (param "points" 2) (result 3)))
      (export "draw" (func (type 4)))))
    (export "test:faces/drawing@1.0.0" (instance (type 2)))))
  (export "drawing" (type $drawing))
  (@custom "wit-component-encoding" "\04\00"))`;

export async function wasmOf(text: string): Promise<Uint8Array> {
  return parse(text);
}
