import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { keyOf, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { bodyOf, RunningRegistry } from '../running-registry.ts';

/* Who may take a name that nobody has yet. */

const OWNER = keyOf('owner');
const OUTSIDER = keyOf('outsider');

let registry: RunningRegistry;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-squatting-'));
  const publishers = path.join(folder, 'publishers.toml');
  await writeFile(publishers, `[namespace.test]\nkeys = ["${OWNER.publicKey.id}"]\ndelegation = true\n`);
  registry = await RunningRegistry.start({ publishers });
});
after(async () => {
  await registry.dispose();
  await rm(folder, { recursive: true });
});

test('P2: an outsider begins no package of a namespace, and is told the key, the package and why', async () => {
  const squatter = new Publisher(registry, 'test:wanted', OUTSIDER);
  const content = wasmOf('squatted');
  for (const entries of [[squatter.init], [squatter.init, releaseOf('1.0.0', content)]]) {
    const answer = await squatter.post(await squatter.record(entries));
    const message = `key id ${OUTSIDER.publicKey.id} is not authorized to publish to package test:wanted`;
    assert.deepEqual(bodyOf(answer), { status: 401, message });
  }
  const owner = new Publisher(registry, 'test:wanted', OWNER);
  await owner.start();
});

test('P2: nobody begins a package in a namespace that the operator has not defined', async () => {
  for (const key of [OWNER, OUTSIDER]) {
    const squatter = new Publisher(registry, 'tset:wanted', key);
    const answer = await squatter.post(await squatter.record([squatter.init]));
    assert.deepEqual(bodyOf(answer), { status: 404, type: 'namespace', id: 'tset' });
  }
});

test('P2: a name that is taken is not begun again, by nobody', async () => {
  const owner = new Publisher(registry, 'test:taken', OWNER);
  const first = await owner.start();
  for (const key of [OWNER, OUTSIDER]) {
    const second = new Publisher(registry, 'test:taken', key);
    const { status } = await second.post(await second.record([second.init]));
    assert.equal(status, key === OWNER ? 409 : 401);
  }
  assert.deepEqual(bodyOf(await owner.status(first.id)), bodyOf(await owner.settled(first.id)));
});
