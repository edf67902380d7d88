import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, decodeHex, isRegistryError, utf8 } from '@waybill/protocol';
import { decodeEmbeddedWit, printWit } from '@waybill/protocol/content';

const MODULE = decodeHex('0061736d01000000');
/** `package a:b; world w { import f: func(); export g: interface { h: func(x: u8); } }`, as wasm-tools writes it in binary. */
const WIT = decodeHex(
  '0061736d0d0001000732014102014104014000010003000166010001420201400101787d0100040001680100040001670501040005613a622f7704' +
    '000b0701000177030000',
);

function customSection(name: string, contents: Uint8Array): Uint8Array {
  const text = utf8(name);
  const size = 1 + text.length + contents.length;
  assert.ok(size < 128);
  return concatBytes(Uint8Array.of(0, size, text.length), text, contents);
}

test('the world that a core module was made for is read from its section, and shown as the root', () => {
  const document = decodeEmbeddedWit(concatBytes(MODULE, customSection('component-type:guest', WIT)));
  assert.equal(
    document === null ? null : printWit(document),
    `package root:root;

world root {
  import f: func();

  export g: interface {
    h: func(x: u8);
  }
}
package a:b {
  world w {
    import f: func();

    export g: interface {
      h: func(x: u8);
    }
  }
}
`,
  );
});

test('a binary without such a section has no such world, and several are not merged', () => {
  const section = customSection('component-type', WIT);
  assert.equal(decodeEmbeddedWit(MODULE), null);
  assert.equal(decodeEmbeddedWit(WIT), null);
  assert.throws(
    () => decodeEmbeddedWit(concatBytes(MODULE, section, section)),
    (thrown) => isRegistryError(thrown, 'content/not-analysed'),
  );
  assert.throws(
    () => decodeEmbeddedWit(concatBytes(MODULE, customSection('component-type', WIT.subarray(0, 40)))),
    (thrown) => isRegistryError(thrown, 'content/malformed'),
  );
});
