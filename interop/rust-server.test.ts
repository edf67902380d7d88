import assert from 'node:assert/strict';
import path from 'node:path';
import { refuses, succeeds } from './command.ts';
import { COMPONENT_FILE, MODULE_FILE } from './content.ts';
import { peerTest } from './peers.ts';
import { newWargPerson, newWaybillPerson, type WaybillPerson } from './person.ts';
import { randomKey, startWargServer, startWaybill } from './registry.ts';
import { assertSameBytes, newHome, openScene, type Scene } from './scene.ts';
import { tellStories } from './stories.ts';

const OURS_ON_RUST = { start: startWargServer, newcomer: newWaybillPerson };
const NOT_FOUND = 68;
const TAMPERED = 65;
const REFUSED = 77;

tellStories('waybill with our server', [], { start: startWaybill, newcomer: newWaybillPerson });
tellStories('waybill with warg-server', ['warg-server'], OURS_ON_RUST);

peerTest('waybill verifies what it fetched from warg-server', ['warg-server'], async (t) => {
  const scene = await openScene(t, OURS_ON_RUST);
  const owner = await newPerson(scene);
  const name = 'test:verified';
  await succeeds(owner.release(name, '1.0.0', COMPONENT_FILE));
  const received = path.join(owner.home, 'verified.wasm');
  await succeeds(owner.download(name, '1.0.0', received));
  assertSameBytes(received, COMPONENT_FILE);
  await succeeds(owner.run('verify', received, '--package', name));
  await succeeds(owner.run('verify', received, '--package', `${name}@1.0.0`));
  await refuses(owner.run('verify', MODULE_FILE, '--package', name), TAMPERED);
  const info = await succeeds(owner.run('info', name, '--json'));
  assert.match(info.stdout, /"records":1\b.*"version":"1\.0\.0","status":"released"/);
  const exported = path.join(owner.home, 'verified.log');
  await succeeds(owner.run('log', 'export', name, '--output', exported));
  assert.match((await succeeds(owner.run('log', 'validate', exported, '--json'))).stdout, /"valid":true/);
});

peerTest('waybill cannot prove to its user that warg-server has no package', ['warg-server'], async (t) => {
  const scene = await openScene(t, OURS_ON_RUST);
  const reader = await newPerson(scene);
  await refuses(reader.run('get', 'test:nothing'), NOT_FOUND, /not proven/);
  await refuses(reader.run('update', 'test:nothing'), NOT_FOUND);
  await refuses(reader.release('nowhere:nothing', '1.0.0', MODULE_FILE), REFUSED);
});

peerTest('our server proves that it has no package', [], async (t) => {
  const scene = await openScene(t, { start: startWaybill, newcomer: newWaybillPerson });
  const reader = await newPerson(scene);
  const { stderr } = await refuses(reader.run('get', 'test:nothing'), NOT_FOUND, /proven by its map/);
  assert.doesNotMatch(stderr, /not proven/);
});

peerTest('waybill refuses warg-server under another operator key', ['warg-server'], async (t) => {
  const scene = await openScene(t, OURS_ON_RUST);
  const owner = await newPerson(scene);
  const stranger = randomKey().publicKey.id;
  await refuses(owner.run('update', '--operator-key', stranger), TAMPERED);
  await succeeds(owner.run('update', '--operator-key', scene.registry.operatorKeyId));
  await refuses(owner.run('update', '--operator-key', stranger), TAMPERED);
});

/** One file of who may publish, in the form of the Rust server. */
const SERVERS = { 'warg-server': startWargServer, 'our server': startWaybill };

for (const [server, start] of Object.entries(SERVERS)) {
  peerTest(`only the keys of its file publish to ${server}`, ['warg', 'warg-server'], async (t) => {
    const outside = await openScene(t, { start, newcomer: newWaybillPerson });
    const listed = [await newPerson(outside), await newWargPerson(outside.registry.url, newHome(outside.folder))];
    const keys = JSON.stringify(listed.map(({ keyId }) => keyId));
    const publishers = `[namespace.test]\nkeys = ${keys}\n`;
    const scene = await openScene(t, { start, newcomer: newWaybillPerson, publishers });
    const { url } = scene.registry;
    for (const stranger of [await newPerson(scene), await newWargPerson(url, newHome(scene.folder))]) {
      await refuses(stranger.release('test:guarded', '1.0.0', MODULE_FILE), undefined, /not authorized|may not publish|not allowed|unauthorized/i);
    }
  });
}

function newPerson({ registry, folder }: Scene): Promise<WaybillPerson> {
  return newWaybillPerson(registry.url, newHome(folder));
}
