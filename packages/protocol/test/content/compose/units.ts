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
