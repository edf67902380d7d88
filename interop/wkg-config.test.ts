import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { runCommand, succeeds, type Outcome } from './command.ts';
import { peerPath, peerTest, ROOT } from './peers.ts';
import { startWaybill } from './registry.ts';
import { assertSameBytes, openFolder } from './scene.ts';

const WAYBILL = path.join(ROOT, 'packages', 'cli', 'bin', 'waybill.mjs');

/** A server that knows nothing, and tells which paths it was asked for. */
async function startListener(t: TestContext): Promise<{ readonly url: string; readonly paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on a port');
  return { url: `http://127.0.0.1:${address.port}/`, paths };
}

function configure(home: string, url: string, ...args: readonly string[]): Promise<Outcome> {
  const env = { WAYBILL_REGISTRY: url };
  return succeeds(runCommand(process.execPath, [WAYBILL, 'config', 'wkg', '--write', ...args], { home, env }));
}

function wkg(home: string, ...args: readonly string[]): Promise<Outcome> {
  return runCommand(peerPath('wkg'), args, { home });
}

peerTest(
  'wkg reads what `waybill config wkg` wrote, and asks this registry for all but wasi and ba',
  ['wkg'],
  async (t) => {
    const home = openFolder(t);
    const { url, paths } = await startListener(t);
    await configure(home, url);
    const { stderr } = await succeeds(wkg(home, 'config'));
    assert.match(stderr, new RegExp(`Default registry: ${new URL(url).host}\\n`));

    await wkg(home, 'get', 'test:hello');
    assert.ok(paths.includes('/.well-known/wasm-pkg/registry.json'), paths.join());
    assert.ok(
      paths.some((asked) => asked.startsWith('/v2/')),
      paths.join(),
    );

    paths.length = 0;
    // Where there is no network it fails at a name, and not here.
    await wkg(home, 'get', 'wasi:no-such-package@0.0.1');
    assert.equal(paths.length, 0, paths.join());
  },
);

peerTest(
  'wkg asks this registry for the namespaces that were named, in a file that it already had',
  ['wkg'],
  async (t) => {
    const home = openFolder(t);
    const [mine, other] = [await startListener(t), await startListener(t)];
    const folder = path.join(home, '.config', 'wasm-pkg');
    mkdirSync(folder, { recursive: true });
    const { host } = new URL(other.url);
    writeFileSync(
      path.join(folder, 'config.toml'),
      `# by hand\ndefault_registry = "${host}"\n\n[registry."${host}".oci]\nprotocol = "http" # here\n`,
    );
    await configure(home, mine.url, '--namespace', 'test,wasi');
    await wkg(home, 'get', 'wasi:http@0.2.0');
    assert.ok(
      mine.paths.some((asked) => asked.startsWith('/v2/wasi/http/')),
      mine.paths.join(),
    );
    assert.equal(other.paths.length, 0, other.paths.join());
    await wkg(home, 'get', 'demo:hello@1.0.0');
    assert.ok(
      other.paths.some((asked) => asked.startsWith('/v2/demo/hello/')),
      other.paths.join(),
    );
  },
);

peerTest(
  'the lines that serve prints for wkg push a component and get it, and it verifies',
  ['wkg', 'components'],
  async (t) => {
    const home = openFolder(t);
    const registry = await startWaybill(path.join(home, 'data'), null);
    t.after(() => registry.stop());
    const { host } = registry.url;
    const component = path.join(peerPath('components'), 'hello.wasm');
    const env = { WAYBILL_KEYRING: 'off', WAYBILL_REGISTRY: registry.url.href };
    await configure(home, registry.url.href);
    await succeeds(wkg(home, 'oci', 'push', `${host}/test/hello:1.0.0`, component, '--insecure', host));
    await succeeds(wkg(home, 'get', 'test:hello', '--output', './copy.wasm'));
    assertSameBytes(path.join(home, 'copy.wasm'), component);
    const verify = ['verify', 'copy.wasm', '--package', 'test:hello'];
    await succeeds(runCommand(process.execPath, [WAYBILL, ...verify], { home, env }));
  },
);
