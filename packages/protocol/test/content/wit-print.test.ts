import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { printWit, type WitDefinition, type WitInterface, type WitType } from '@waybill/protocol/content';
import {
  EXAMPLE,
  functionOf,
  interfaceOf,
  named,
  NO_NOTES,
  packageOf,
  primitive,
  typeOf,
  worldOf,
} from './wit-maker.ts';

const U32 = primitive('u32');
const STRING = primitive('string');

function printInterface(described: WitInterface): string {
  return printWit({ main: packageOf(EXAMPLE, [described], []), dependencies: [] });
}

/** The lines between the braces of the only interface, which has one type. */
function printDefinition(definition: WitDefinition): string {
  const text = printInterface(interfaceOf('i', { types: (owner) => [typeOf(owner, 't', definition)] }));
  return text.split('\n').slice(3, -3).join('\n');
}

test('each kind of definition has its form', () => {
  const label = (name: string) => ({ name, docs: null });
  const cases: readonly (readonly [WitDefinition, string])[] = [
    [{ type: 'alias', target: U32 }, '  type t = u32;'],
    [{ type: 'record', fields: [{ ...label('a'), value: U32 }] }, '  record t {\n    a: u32,\n  }'],
    [
      {
        type: 'variant',
        cases: [
          { ...label('a'), payload: null },
          { ...label('b'), payload: STRING },
        ],
      },
      '  variant t {\n    a,\n    b(string),\n  }',
    ],
    [{ type: 'enum', cases: [label('a'), label('b')] }, '  enum t {\n    a,\n    b,\n  }'],
    [{ type: 'flags', flags: [label('a')] }, '  flags t {\n    a,\n  }'],
    [{ type: 'flags', flags: [] }, '  flags t {\n  }'],
    [{ type: 'resource' }, '  resource t;'],
  ];
  for (const [definition, text] of cases) assert.equal(printDefinition(definition), text);
});

test('each shape has its form', () => {
  const resource = typeOf(interfaceOf('i', {}), 'body', { type: 'resource' });
  const cases: readonly (readonly [WitType, string])[] = [
    [{ type: 'list', element: U32 }, 'list<u32>'],
    [{ type: 'fixed-list', element: U32, length: 4 }, 'list<u32, 4>'],
    [{ type: 'map', key: STRING, value: U32 }, 'map<string, u32>'],
    [{ type: 'option', element: { type: 'list', element: U32 } }, 'option<list<u32>>'],
    [{ type: 'result', ok: null, error: null }, 'result'],
    [{ type: 'result', ok: U32, error: null }, 'result<u32>'],
    [{ type: 'result', ok: null, error: STRING }, 'result<_, string>'],
    [{ type: 'result', ok: U32, error: STRING }, 'result<u32, string>'],
    [{ type: 'tuple', elements: [U32, STRING] }, 'tuple<u32, string>'],
    [{ type: 'future', element: null }, 'future'],
    [{ type: 'future', element: U32 }, 'future<u32>'],
    [{ type: 'stream', element: null }, 'stream'],
    [{ type: 'stream', element: primitive('u8') }, 'stream<u8>'],
    [{ type: 'option', element: { type: 'own', resource } }, 'option<body>'],
    [{ type: 'own', resource }, 'own<body>'],
    [{ type: 'borrow', resource }, 'borrow<body>'],
  ];
  for (const [target, text] of cases) assert.equal(printDefinition({ type: 'alias', target }), `  type t = ${text};`);
});

test('a name that is a word of the language is escaped, wherever it stands', () => {
  const main = interfaceOf('interface', {
    packageId: { namespace: 'use', name: 'type', version: '1.0.0' },
    types: (owner) => [
      typeOf(owner, 'list', { type: 'record', fields: [{ name: 'own', docs: null, value: U32 }] }),
      typeOf(owner, 'flags', { type: 'enum', cases: [{ name: 'async', docs: null }] }),
      typeOf(owner, 'lists', { type: 'flags', flags: [{ name: 'map', docs: null }] }),
    ],
    functions: () => [functionOf('func', { parameters: [{ name: 'result', value: U32 }] })],
  });
  const id = { namespace: 'use', name: 'type', version: '1.0.0' };
  assert.equal(
    printWit({ main: packageOf(id, [main], []), dependencies: [] }),
    `package %use:%type@1.0.0;

interface %interface {
  record %list {
    %own: u32,
  }

  enum %flags {
    %async,
  }

  flags lists {
    %map,
  }

  %func: func(%result: u32);
}

`,
  );
});

test('a resource is told with its constructor, methods and static functions', () => {
  const text = printInterface(
    interfaceOf('i', {
      types: (owner) => [typeOf(owner, 'body', { type: 'resource' })],
      functions: ({ types }) => {
        const resource = types.get('body') ?? assert.fail();
        const self = { name: 'self', value: { type: 'borrow', resource } } as const;
        const own = { type: 'own', resource } as const;
        return [
          functionOf('loose', { isAsync: true, result: named(resource) }),
          functionOf('body', {
            kind: 'constructor',
            resource,
            parameters: [{ name: 'size', value: U32 }],
            result: own,
          }),
          functionOf('read', {
            kind: 'method',
            resource,
            isAsync: true,
            parameters: [self, { name: 'n', value: U32 }],
          }),
          functionOf('from', { kind: 'static', resource, parameters: [self], result: own }),
          functionOf('body', { kind: 'constructor', resource, result: { type: 'result', ok: own, error: null } }),
        ];
      },
    }),
  );
  assert.equal(
    text,
    `package acme:shop;

interface i {
  resource body {
    constructor(size: u32);
    read: async func(n: u32);
    %from: static func(self: borrow<body>) -> body;
    constructor() -> result<body>;
  }

  loose: async func() -> body;
}

`,
  );
});

test('documentation and gates stand above what they are about', () => {
  const stability = { type: 'stable', since: '0.2.0', deprecated: '0.3.0' } as const;
  const described = interfaceOf('i', {
    docs: 'First.\r\n\nThird.\n',
    stability,
    types: (owner) => [
      typeOf(
        owner,
        'r',
        { type: 'record', fields: [{ name: 'a', docs: 'Of a.', value: U32 }] },
        { stability: { type: 'unstable', feature: 'fast', deprecated: null } },
      ),
    ],
    functions: () => [functionOf('f', { docs: '', stability: { ...stability, deprecated: null } })],
  });
  assert.equal(
    printWit({ main: { ...packageOf(EXAMPLE, [described], []), docs: 'Of all.' }, dependencies: [] }),
    `/// Of all.
package acme:shop;

/// First.
///
/// Third.
@since(version = 0.2.0)
@deprecated(version = 0.3.0)
interface i {
  @unstable(feature = fast)
  record r {
    /// Of a.
    a: u32,
  }

  @since(version = 0.2.0)
  f: func();
}

`,
  );
});

const TYPES = interfaceOf('types', {
  packageId: { namespace: 'wasi', name: 'http', version: '0.2.0' },
  types: (owner) => [
    typeOf(owner, 'request', { type: 'resource' }),
    typeOf(owner, 'code', { type: 'alias', target: U32 }),
  ],
});

function used(name: string): WitDefinition {
  return { type: 'alias', target: named(TYPES.types.get(name) ?? assert.fail()) };
}

test('types from elsewhere come first, those from one interface together unless their gates differ', () => {
  const local = interfaceOf('local', { types: (owner) => [typeOf(owner, 'size', { type: 'alias', target: U32 })] });
  const text = printInterface(
    interfaceOf('i', {
      types: (owner) => {
        const size = local.types.get('size') ?? assert.fail();
        const own = typeOf(owner, 'mine', used('code'));
        return [
          typeOf(owner, 'same', { type: 'alias', target: named(own) }),
          typeOf(owner, 'request', used('request')),
          own,
          typeOf(owner, 'code', used('code'), { stability: { type: 'stable', since: '1.0.0', deprecated: null } }),
          typeOf(owner, 'size', { type: 'alias', target: named(size) }),
        ];
      },
    }),
  );
  assert.equal(
    text,
    `package acme:shop;

interface i {
  use wasi:http/types@0.2.0.{request, code as mine};
  @since(version = 1.0.0)
  use wasi:http/types@0.2.0.{code};
  use local.{size};

  type same = mine;
}

`,
  );
});

test('a world tells imported interfaces, types and functions, then exports, and its package those it speaks of', () => {
  const inline = interfaceOf(null, { docs: 'Of the interface.', functions: () => [functionOf('f', {})] });
  const world = worldOf('w', {
    imports: [
      { type: 'function', name: 'log', function: functionOf('log', { docs: 'Writes.' }), ...NO_NOTES },
      { type: 'interface', name: null, interface: TYPES, ...NO_NOTES },
      { type: 'type', name: 'code', named: typeOf(worldOf('w', {}), 'code', used('code')) },
      { type: 'interface', name: 'list', interface: inline, ...NO_NOTES },
      { type: 'other', name: 'engine', kind: 'module' },
      { type: 'interface', name: 'again', interface: TYPES, ...NO_NOTES, docs: 'Of the import.' },
    ],
    exports: [
      { type: 'function', name: 'run', function: functionOf('run', { isAsync: true }), ...NO_NOTES },
      { type: 'interface', name: null, interface: TYPES, ...NO_NOTES },
    ],
  });
  const http = packageOf({ namespace: 'wasi', name: 'http', version: '0.2.0' }, [TYPES], []);
  const io = packageOf({ namespace: 'wasi', name: 'io', version: null }, [], [worldOf('empty', {})]);
  assert.equal(
    printWit({ main: packageOf(EXAMPLE, [], [world]), dependencies: [http, io] }),
    `package acme:shop;

world w {
  import wasi:http/types@0.2.0;
  /// Of the interface.
  import %list: interface {
    f: func();
  }
  /// Of the import.
  import again: wasi:http/types@0.2.0;
  use wasi:http/types@0.2.0.{code};
  /// Writes.
  import log: func();

  export run: async func();
  export wasi:http/types@0.2.0;
}
package wasi:http@0.2.0 {
  interface types {
    resource request;

    type code = u32;
  }
}


package wasi:io {
  world empty {
  }
}
`,
  );
});

test('P12: a type that is small in the binary and long as text is refused, and so is a deep one', () => {
  let doubling: WitType = U32;
  for (let step = 0; step < 60; step++) doubling = { type: 'tuple', elements: [doubling, doubling] };
  let deep: WitType = U32;
  for (let step = 0; step < 100_000; step++) deep = { type: 'list', element: deep };
  for (const target of [doubling, deep])
    assert.throws(
      () => printDefinition({ type: 'alias', target }),
      (error) => isRegistryError(error) && error.code === 'wire/too-large',
    );
});
