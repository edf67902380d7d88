import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { codeOf, COMPONENT, openRegistry, openUser } from './registry.ts';

test('a package of another Waybill is pulled through, got and verified here, with that one gone', async (t) => {
  const user = await openUser();
  t.after(() => user.dispose());
  const upstream = await openRegistry();
  let isUp = true;
  const stop = async (): Promise<void> => {
    if (isUp) await upstream.dispose();
    isUp = false;
  };
  t.after(stop);
  await user.ok('key', 'new');
  const args = ['--package', 'test:tools', '--registry', upstream.url.href];
  await user.ok('publish', COMPONENT, '--version', '1.0.0', ...args);
  await user.ok('publish', COMPONENT, '--version', '1.1.0', ...args);
  await user.ok('yank', 'test:tools@1.1.0', '--registry', upstream.url.href);

  const { host } = upstream.url;
  const file = user.file('upstreams.toml');
  await writeFile(file, `[namespace.test]\nregistry = "${host}"\nplain_http = true\nnetworks = ["127.0.0.1"]\n`);
  const registry = await openRegistry({ upstreams: file });
  t.after(() => registry.dispose());
  const at = (path: string): Promise<Response> => fetch(new URL(path, registry.url));
  const there = await fetch(new URL('v2/test/tools/manifests/1.0.0', upstream.url));
  assert.deepEqual(Object(await (await at('v2/test/tools/tags/list')).json()).tags, ['1.0.0']);
  const here = await at('v2/test/tools/manifests/1.0.0');
  assert.equal(here.headers.get('docker-content-digest'), there.headers.get('docker-content-digest'));

  await stop();
  await user.ok('get', 'test:tools@1.0.0', '-o', 'copy.wasm', '--registry', registry.url.href);
  assert.deepEqual(await readFile(user.file('copy.wasm')), await readFile(COMPONENT));
  const authored = await user.run(
    'get',
    'test:tools@1.0.0',
    '--require-author',
    '--registry',
    registry.url.href,
    '--json',
  );
  assert.equal(codeOf(authored), 'release/custodial');
  const log = await user.ok('log', 'show', 'test:tools', '--registry', registry.url.href);
  assert.match(log, /imported-from/);
  assert.ok(log.includes(host));
});
