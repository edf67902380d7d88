import { parseWit } from '../../src/content/wit/resolve-document.ts';
import type { WitDocument } from '../../src/content/wit/model.ts';

/** One file, and what else it names, each package in a file of its own. */
export function readWit(text: string, ...dependencies: readonly string[]): WitDocument {
  return parseWit({
    main: [{ path: 'main.wit', text }],
    dependencies: dependencies.map((dependency, index) => [{ path: `deps/${index}.wit`, text: dependency }]),
  });
}

/** A package with everything that an interface can hold. */
export const TYPES = `
/// Everything that a type can be.
package waybill:shapes@1.2.0;

/// Shapes.
interface shapes {
  /// A point.
  record point { /// Across.
    x: s32, y: s32 }
  variant shape { circle(point), square(tuple<point, u32>), %flags, }
  enum color { red, green-2, BLUE }
  flags access { read, write }
  type alias = list<shape>;
  type grid = list<list<f32, 3>, 3>;
  type id = u64;
  type lookup = map<string, option<color>>;
  @since(version = 1.1.0)
  resource blob {
    constructor(bytes: list<u8>);
    /// Reads.
    read: func(count: u32) -> result<list<u8>, string>;
    join: static func(a: borrow<blob>, b: blob) -> blob;
    @unstable(feature = watching)
    watch: func() -> stream<access>;
  }
  resource fallible {
    constructor() -> result<fallible, error-context>;
  }
  @since(version = 1.0.0)
  @deprecated(version = 1.2.0)
  draw: func(what: shape, how: access) -> result;
  later: async func(when: future<alias>, f: future, s: stream) -> result<_, id>;
  nothing: func();
}

interface users {
  use shapes.{blob, point as place, alias};
  type my-blob = blob;
  move: func(what: borrow<my-blob>, to: place) -> option<alias>;
}
`;

/** Worlds, with a package that they take something from. */
export const WORLDS = `
package waybill:worlds;

use waybill:shapes/users@1.2.0 as people;

interface local { use people.{place}; go: func() -> place; }

world base {
  use people.{place as spot};
  /// Says where.
  import where: func() -> spot;
  import people;
  import log: interface { write: func(text: string); }
  resource handle { constructor(); close: func(); }
  export run: async func(h: handle) -> result<_, string>;
}

world whole {
  include base with { where as somewhere, handle as grip }
  @unstable(feature = both)
  import second: local;
  export local;
}
`;

export const SAMPLES: readonly (readonly [string, ...string[]])[] = [
  [TYPES],
  [WORLDS, TYPES],
  ['package a:b;'],
  ['package a:b@0.0.1-rc.1+build.7; // two\n/** block\n * comment */\ninterface %interface { f: func(%list: char); }'],
  [
    'package a:b;\npackage c:d@1.0.0 { interface e { type t = string; } }\nworld w { import c:d/e@1.0.0; export c:d/e@1.0.0; }',
  ],
  [
    'package a:b;\ninterface z { use y.{r}; type s = r; f: func(x: s) -> own<r>; }\ninterface y { type r = q; resource q; }',
  ],
];
