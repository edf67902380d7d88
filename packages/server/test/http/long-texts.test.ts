import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Publisher, publishBody } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

const LENGTH = 1_000_000;

/** Texts that make a parser which looks back take its time: near misses of each grammar, a megabyte long. */
const TEXTS: Readonly<Record<string, string>> = {
  'one character': 'a'.repeat(LENGTH),
  'words of a name': `test:${'a-'.repeat(LENGTH / 2)}`,
  'many namespaces': 'a:'.repeat(LENGTH / 2),
  'a version of many parts': '1.'.repeat(LENGTH / 2),
  'a version of many digits': `${'9'.repeat(LENGTH)}.0.0`,
  hexadecimal: `sha256:${'0'.repeat(LENGTH)}`,
  base64: 'A'.repeat(LENGTH - 1) + '=',
  'base64 of padding': '='.repeat(LENGTH),
  'a key': `ecdsa-p256:${'+'.repeat(LENGTH)}`,
  spaces: ' '.repeat(LENGTH),
  escapes: '"\\'.repeat(LENGTH / 4),
};

for (const [name, text] of Object.entries(TEXTS)) {
  // A parser whose time grows with the square of the length would need minutes for one of them.
  test(`W4: a megabyte is refused in time that grows with its length: ${name}`, { timeout: 60_000 }, async () => {
    const publisher = new Publisher(registry, 'test:long');
    const { envelope } = await publisher.record([publisher.init]);
    const good = { contentBytes: '', keyId: envelope.keyId, signature: envelope.signature };
    const bodies: readonly (readonly [path: string, body: unknown])[] = [
      [publisher.recordPath, { ...publishBody('test:long', envelope), packageName: text }],
      [publisher.recordPath, { packageName: 'test:long', record: { ...good, contentBytes: text } }],
      [publisher.recordPath, { packageName: 'test:long', record: { ...good, keyId: text } }],
      [publisher.recordPath, { packageName: 'test:long', record: { ...good, signature: text } }],
      ['api/v1/operator/records', { ...good, contentBytes: text }],
      ['v1/fetch/logs', { logLength: 1, packages: { [text]: null } }],
      ['v1/fetch/logs', { logLength: 1, operator: text }],
      ['v1/fetch/names', { packages: [text] }],
      ['v1/proof/absence', { logLength: 1, logs: [text] }],
      ['v1/verify/checkpoint', { contents: { logLength: 1, logRoot: text, mapRoot: text, timestamp: 1 } }],
    ];
    for (const [path, json] of bodies) {
      const { status } = await registry.post(path, { json });
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
    }
  });
}
