import { componentOf } from './component-maker.ts';

/** Memory and an allocator that never frees: what a string passed through a component needs. */
const MEMORY = `
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (func $take (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (memory.copy (local.get $at) (local.get 0) (local.get 1))
    (local.get $at))`;

const MATH = (version: string) => `package demo:math${version}; interface add { sum: func(a: u32, b: u32) -> u32; }`;

/** Exports `demo:math/add`, which adds. */
export async function adder(version = '@1.0.0'): Promise<Uint8Array> {
  return componentOf(
    `${MATH(version)} world unit { export add; }`,
    `(module (func (export "demo:math/add${version}#sum") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1))))`,
  );
}

/** Exports one function of `demo:<name>/apply`, which adds `times` its argument by way of `demo:math/add`. */
export async function multiplier(name: string, times: number, version = '@1.0.0'): Promise<Uint8Array> {
  const calls = Array.from({ length: times - 1 }, () => `(local.set 1 (call $sum (local.get 1) (local.get 0)))`);
  return componentOf(
    `package demo:${name}@1.0.0;
     interface apply { run: func(a: u32) -> u32; }
     world unit { import demo:math/add${version}; export apply; }`,
    `(module (import "demo:math/add${version}" "sum" (func $sum (param i32 i32) (result i32)))
      (func (export "demo:${name}/apply@1.0.0#run") (param i32) (result i32) (local i32)
        (local.set 1 (local.get 0)) ${calls.join(' ')} (local.get 1)))`,
    [MATH(version)],
  );
}

/** Exports `run`, the sum of what each of `demo:<name>/apply` makes of its argument. */
export async function collector(names: readonly string[]): Promise<Uint8Array> {
  const imports = names.map((name) => `import demo:${name}/apply@1.0.0;`);
  const packages = names.map((name) => `package demo:${name}@1.0.0; interface apply { run: func(a: u32) -> u32; }`);
  const functions = names.map(
    (name) => `(import "demo:${name}/apply@1.0.0" "run" (func $${name} (param i32) (result i32)))`,
  );
  const calls = names.map((name) => `(local.set 1 (i32.add (local.get 1) (call $${name} (local.get 0))))`);
  return componentOf(
    `package demo:root; world unit { ${imports.join(' ')} export run: func(a: u32) -> u32; }`,
    `(module ${functions.join('\n')}
      (func (export "run") (param i32) (result i32) (local i32) ${calls.join(' ')} (local.get 1)))`,
    packages,
  );
}

const COUNTER = `package demo:things@1.0.0;
  interface counter { resource counter { constructor(start: u32); next: func() -> u32; } }
  interface shop { use counter.{counter}; make: func(start: u32) -> counter; read: func(c: borrow<counter>) -> u32; }`;

/** Exports the resource `demo:things/counter`. */
export async function counters(): Promise<Uint8Array> {
  return componentOf(
    `${COUNTER} world unit { export counter; }`,
    `(module
      (import "[export]demo:things/counter@1.0.0" "[resource-new]counter" (func $new (param i32) (result i32)))
      ${MEMORY}
      (func (export "demo:things/counter@1.0.0#[constructor]counter") (param i32) (result i32)
        (local $at i32)
        (local.set $at (call $take (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 4)))
        (i32.store (local.get $at) (local.get 0))
        (call $new (local.get $at)))
      (func (export "demo:things/counter@1.0.0#[method]counter.next") (param i32) (result i32)
        (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1)))
        (i32.load (local.get 0))))`,
  );
}

/** Exports `demo:things/shop`, which makes counters that are ten ahead and reads those of others. */
export async function shop(): Promise<Uint8Array> {
  return componentOf(
    `${COUNTER} world unit { import counter; export shop; }`,
    `(module
      (import "demo:things/counter@1.0.0" "[constructor]counter" (func $new (param i32) (result i32)))
      (import "demo:things/counter@1.0.0" "[method]counter.next" (func $next (param i32) (result i32)))
      (import "demo:things/counter@1.0.0" "[resource-drop]counter" (func $drop (param i32)))
      (func (export "demo:things/shop@1.0.0#make") (param i32) (result i32)
        (call $new (i32.add (local.get 0) (i32.const 10))))
      (func (export "demo:things/shop@1.0.0#read") (param i32) (result i32) (local i32)
        (local.set 1 (call $next (local.get 0)))
        (call $drop (local.get 0))
        (local.get 1)))`,
  );
}

/** Exports `run`: one counter of the shop and one of its own, each counted by the other side. */
export async function customer(): Promise<Uint8Array> {
  return componentOf(
    `${COUNTER} world unit { import counter; import shop; export run: func(a: u32) -> u32; }`,
    `(module
      (import "demo:things/counter@1.0.0" "[constructor]counter" (func $new (param i32) (result i32)))
      (import "demo:things/counter@1.0.0" "[method]counter.next" (func $next (param i32) (result i32)))
      (import "demo:things/shop@1.0.0" "make" (func $make (param i32) (result i32)))
      (import "demo:things/shop@1.0.0" "read" (func $read (param i32) (result i32)))
      (func (export "run") (param i32) (result i32)
        (i32.add
          (i32.mul (i32.const 1000) (call $next (call $make (local.get 0))))
          (call $read (call $new (local.get 0))))))`,
  );
}

/** Exports `demo:<name>/apply` by way of another of its kind. */
export async function relay(name: string, other: string): Promise<Uint8Array> {
  const applyOf = (of: string) => `package demo:${of}@1.0.0; interface apply { run: func(a: u32) -> u32; }`;
  return componentOf(
    `${applyOf(name)} world unit { import demo:${other}/apply@1.0.0; export apply; }`,
    `(module (import "demo:${other}/apply@1.0.0" "run" (func $run (param i32) (result i32)))
      (func (export "demo:${name}/apply@1.0.0#run") (param i32) (result i32)
        (i32.add (i32.const 1) (call $run (local.get 0)))))`,
    [applyOf(other)],
  );
}

/** Exports `demo:math/add` and imports it: it adds `more` to what another adds. */
export async function between(more: number): Promise<Uint8Array> {
  return componentOf(
    `${MATH('@1.0.0')} world unit { import add; export add; }`,
    `(module (import "demo:math/add@1.0.0" "sum" (func $sum (param i32 i32) (result i32)))
      (func (export "demo:math/add@1.0.0#sum") (param i32 i32) (result i32)
        (i32.add (i32.const ${more}) (call $sum (local.get 0) (local.get 1)))))`,
  );
}

/** Exports `demo:math/add` with a function of another type. */
export async function otherAdder(): Promise<Uint8Array> {
  return componentOf(
    `package demo:math@1.0.0; interface add { sum: func(a: u32, b: u64) -> u32; } world unit { export add; }`,
    `(module (func (export "demo:math/add@1.0.0#sum") (param i32 i64) (result i32) (local.get 0)))`,
  );
}

const SHAPES = `package demo:shapes@0.3.1;
  interface kinds { enum color { red, green } record point { x: u32, y: u32, c: color } origin: func() -> point; }
  interface paint { use kinds.{point}; area: func(p: point) -> u32; }`;

/** Exports `demo:shapes/kinds`, which is values alone. */
export async function kinds(): Promise<Uint8Array> {
  return componentOf(
    `${SHAPES} world unit { export kinds; }`,
    `(module (memory (export "memory") 1) (data (i32.const 16) "\\03\\00\\00\\00\\05\\00\\00\\00\\01")
      (func (export "demo:shapes/kinds@0.3.1#origin") (result i32) (i32.const 16)))`,
  );
}

/** Exports `run`: what `demo:shapes/paint` says of the origin. */
export async function painter(): Promise<Uint8Array> {
  return componentOf(
    `${SHAPES} world unit { import kinds; import paint; export run: func() -> u32; }`,
    `(module
      (import "demo:shapes/kinds@0.3.1" "origin" (func $origin (param i32)))
      (import "demo:shapes/paint@0.3.1" "area" (func $area (param i32 i32 i32) (result i32)))
      ${MEMORY}
      (func (export "run") (result i32)
        (call $origin (i32.const 32))
        (call $area (i32.load (i32.const 32)) (i32.load (i32.const 36)) (i32.load8_u (i32.const 40)))))`,
  );
}

/** Exports `run`, which calls `demo:host/log` of some version: its functions are `one`, `two`… */
export async function caller(
  version: string,
  functions: readonly string[],
  more: readonly string[] = [],
): Promise<Uint8Array> {
  const log = `package demo:host@${version}; interface log { ${functions.map((name) => `${name}: func() -> u32;`).join(' ')} }`;
  const applied = more.map((name) => `package demo:${name}@1.0.0; interface apply { run: func(a: u32) -> u32; }`);
  const calls = functions.map((name) => `(i32.add (call $${name}))`);
  const target = more.length === 0 ? 'export demo:called/apply@1.0.0;' : 'export run: func(a: u32) -> u32;';
  const called = `package demo:called@1.0.0; interface apply { run: func(a: u32) -> u32; }`;
  return componentOf(
    `package demo:root; world unit { import demo:host/log@${version}; ${more.map((name) => `import demo:${name}/apply@1.0.0;`).join(' ')} ${target} }`,
    `(module
      ${functions.map((name) => `(import "demo:host/log@${version}" "${name}" (func $${name} (result i32)))`).join('\n')}
      ${more.map((name) => `(import "demo:${name}/apply@1.0.0" "run" (func $of-${name} (param i32) (result i32)))`).join('\n')}
      (func (export "${more.length === 0 ? 'demo:called/apply@1.0.0#run' : 'run'}") (param i32) (result i32)
        (local.get 0) ${calls.join(' ')} ${more.map((name) => `(i32.add (call $of-${name} (local.get 0)))`).join(' ')}))`,
    [log, ...(more.length === 0 ? [called] : applied)],
  );
}

/** Exports `run`, which prints the empty core module by `local:wasm-tools/tools`. */
export async function modulePrinter(): Promise<Uint8Array> {
  return componentOf(
    'package demo:root; world unit { import local:wasm-tools/tools; export run: func() -> string; }',
    `(module
      (import "local:wasm-tools/tools" "print" (func $print (param i32 i32 i32)))
      ${MEMORY}
      (data (i32.const 16) "\\00asm\\01\\00\\00\\00")
      (func (export "run") (result i32)
        (call $print (i32.const 16) (i32.const 8) (i32.const 64))
        (i32.const 68)))`,
    ['package local:wasm-tools; interface tools { print: func(binary: list<u8>) -> result<string, string>; }'],
  );
}
