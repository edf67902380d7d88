import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, parsePackageName, parseVersion, utf8 } from '@waybill/protocol';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { InnerName } from '../src/inner-name.ts';

const COMPONENT = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00);

/** A component with these custom sections. */
function componentWith(...sections: readonly (readonly [name: string, text: string])[]): Uint8Array {
  const parts = sections.map(([name, text]) => {
    const contents = [name.length, ...utf8(name), ...utf8(text)];
    return Uint8Array.of(0, contents.length, ...contents);
  });
  return concatBytes(COMPONENT, ...parts);
}

function witPackage(id: string): Uint8Array {
  return encodeWit(
    parseWit({ main: [{ path: 'a.wit', text: `package ${id};\ninterface i { f: func(); }` }], dependencies: [] }),
  );
}

/** Of the release test:api@1.0.0; the chunks are small, as those of a line may be. */
async function saidOf(bytes: Uint8Array): Promise<readonly string[]> {
  const inner = new InnerName({ name: parsePackageName('test:api'), version: parseVersion('1.0.0') });
  const heard: Uint8Array[] = [];
  for await (const chunk of inner.hear(inChunks(bytes))) heard.push(chunk);
  assert.deepEqual(concatBytes(...heard), concatBytes(bytes));
  return inner.contradictions();
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

test('P4: content that says the name and the version of its release, or nothing, contradicts nothing', async () => {
  for (const bytes of [
    COMPONENT,
    componentWith(['version', '1.0.0'], ['note', '2.0.0']),
    componentWith(['version', ' 1.0.0\n']),
    componentWith(['version', 'main']),
    witPackage('test:api@1.0.0'),
    witPackage('test:api'),
    utf8('no WebAssembly at all'),
    COMPONENT.subarray(0, 5),
    new Uint8Array(),
  ]) {
    assert.deepEqual(await saidOf(bytes), []);
  }
});

test('P4: an inner name or version that contradicts the release is told', async () => {
  for (const [bytes, expected] of [
    [componentWith(['version', '1.0.1']), /of version 1\.0\.1, and its release is test:api@1\.0\.0/],
    [componentWith(['version', '1.0.0'], ['version', '2.0.0-rc.1']), /of version 2\.0\.0-rc\.1/],
    [witPackage('test:ape@1.0.0'), /the WIT package test:ape@1\.0\.0/],
    [witPackage('test:api@1.0.1'), /the WIT package test:api@1\.0\.1/],
  ] as const) {
    const said = await saidOf(bytes);
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', expected);
  }
});
