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
  await refuses(reader.run('head', 'test:nothing'), NOT_FOUND);
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
  await refuses(owner.run('head', '--operator-key', stranger), TAMPERED);
  await succeeds(owner.run('head', '--operator-key', scene.registry.operatorKeyId));
  await refuses(owner.run('head', '--operator-key', stranger), TAMPERED);
});

const SERVERS = { 'warg-server': startWargServer, 'our server': startWaybill };

for (const [server, start] of Object.entries(SERVERS)) {
  peerTest(`only the keys of one and the same file publish to ${server}`, ['warg', 'warg-server'], async (t) => {
    // The file names keys, so people come first; warg makes none without a registry.
    const { registry, folder } = await openScene(t, { start: startWaybill, newcomer: newWaybillPerson });
    const listed = [
      await newWaybillPerson(registry.url, newHome(folder)),
      await newWargPerson(registry.url, newHome(folder)),
    ];
    const publishers = `[namespace.test]\nkeys = ${JSON.stringify(listed.map(({ keyId }) => keyId))}\n`;
    const scene = await openScene(t, { start, newcomer: newWaybillPerson, publishers });
    const { url } = scene.registry;
    for (const [i, person] of listed.entries()) {
      await succeeds((await person.moveTo(url)).release(`test:guarded${i}`, '1.0.0', MODULE_FILE));
    }
    for (const stranger of [await newPerson(scene), await newWargPerson(url, newHome(scene.folder))]) {
      const message = /not authorized to publish|may not publish/;
      await refuses(stranger.release('test:strange', '1.0.0', MODULE_FILE), undefined, message);
    }
  });
}

function newPerson({ registry, folder }: Scene): Promise<WaybillPerson> {
  return newWaybillPerson(registry.url, newHome(folder));
}
