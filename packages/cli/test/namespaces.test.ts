import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import {
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  parseNamespace,
  parsePrivateKey,
  signRecord,
  timestampFromMs,
  type OperatorEntry,
} from '@waybill/protocol';
import { openLyingProxy } from './lying-proxy.ts';
import { NEW, ORIGIN, stealRegistry, type StolenRegistry } from './operator-drill/stolen-registry.ts';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { idOf, logOf, readHistory, serveHistory, type HistoryRecord } from './registry-history.ts';

/* Which registry a namespace is of: its operator's signed records say so, and nothing else does. */

const MIRROR = 'mirror.example/main';
const TEST = parseNamespace('test');

let home: StolenRegistry;
let user: TestUser;

before(async () => {
  home = await stealRegistry();
  user = await openUser();
});
after(async () => {
  await home.dispose();
  await user.dispose();
});

/** What the operator of another registry says of the namespace, and what comes of the package with it. */
const BINDINGS: readonly (readonly [title: string, entry: OperatorEntry, rule: string | null])[] = [
  ['is imported from its home', { type: 'importNamespace', namespace: TEST, registry: ORIGIN }, null],
  ['is its own', { type: 'defineNamespace', namespace: TEST }, 'record/origin'],
  [
    'is imported from elsewhere',
    { type: 'importNamespace', namespace: TEST, registry: 'elsewhere.example/main' },
    'record/origin',
  ],
];

for (const [title, entry, rule] of BINDINGS) {
  test(`U5: a package of version 1 on a registry where its namespace ${title}: ${rule ?? 'verified'}`, async () => {
    const empty = await openRegistry({ namespaces: [], origin: MIRROR });
    const operator = [...(await readHistory(empty)), await operatorRecord(empty, entry)];
    const mirror = await serveHistory(empty, [...operator, ...logOf(home.history, NEW)]);
    try {
      const { code, stderr } = await user.run('info', NEW, '--registry', mirror.url.href, '--json');
      if (rule === null) assert.equal(code, 0, stderr);
      else {
        const { error } = JSON.parse(stderr);
        assert.deepEqual([code, error.code, error.detail.rule, error.detail.origin], [65, 'log/invalid', rule, ORIGIN]);
      }
    } finally {
      await mirror.dispose();
      await empty.dispose();
    }
  });
}

async function operatorRecord(registry: TestRegistry, entry: OperatorEntry): Promise<HistoryRecord> {
  const head = (await readHistory(registry)).at(-1) ?? assert.fail();
  const key = parsePrivateKey(await readFile(registry.operatorKeyFile, 'utf8'));
  const draft = { prev: idOf(head), time: timestampFromMs(Date.now()), entries: [entry] };
  return { logId: OPERATOR_LOG_ID, name: null, envelope: (await signRecord(OPERATOR_LOG, draft, key)).envelope };
}

/** Counts who comes, and answers nobody. */
async function openCanary(): Promise<{ host: string; visits: () => number; close(): Promise<void> }> {
  let visits = 0;
  const server = createServer((_, response) => {
    visits++;
    response.writeHead(404).end();
  });
  server.on('connection', () => visits++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no address');
  return {
    host: `127.0.0.1:${address.port}`,
    visits: () => visits,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

test('T7: neither a header nor an import sends a client to another registry', async () => {
  const canary = await openCanary();
  const empty = await openRegistry({ namespaces: [] });
  const entry: OperatorEntry = { type: 'importNamespace', namespace: parseNamespace('wasi'), registry: canary.host };
  const records = [...(await readHistory(empty)), await operatorRecord(empty, entry)];
  const importing = await serveHistory(empty, records);
  const hints = { 'warg-registry-hint': canary.host, 'warg-registry': canary.host, location: `http://${canary.host}/` };
  const proxy = await openLyingProxy(importing.url, ({ body }) => body, hints);
  try {
    for (const name of ['wasi:http', 'other:tool']) {
      const { code, stderr } = await user.run('get', name, '--registry', proxy.url, '--json');
      const { error } = JSON.parse(stderr);
      assert.deepEqual([code, error.code, error.detail.proven], [68, 'log/not-found', 'proven by its map']);
    }
    assert.equal(canary.visits(), 0);
  } finally {
    await proxy.close();
    await importing.dispose();
    await empty.dispose();
    await canary.close();
  }
});

test('T7: two registries with one namespace: each name is of the registry that was asked', async () => {
  const registries = [await openRegistry(), await openRegistry()];
  const contents = [CORE_MODULE, COMPONENT];
  try {
    await user.ok('key', 'new');
    for (const round of ['publish', 'get', 'get-again']) {
      for (const [i, { url }] of registries.entries()) {
        const content = contents[i] ?? assert.fail();
        const at = ['--registry', url.href];
        if (round === 'publish') {
          await user.ok('publish', content, '--package', 'test:twin', '--version', '1.0.0', ...at);
          continue;
        }
        await user.ok('get', 'test:twin@1.0.0', '-o', 'twin.wasm', ...at);
        assert.deepEqual(await readFile(user.file('twin.wasm')), await readFile(content));
      }
    }
  } finally {
    for (const registry of registries) await registry.dispose();
  }
});
