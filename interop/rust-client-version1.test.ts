import path from 'node:path';
import { parsePublicKey } from '@waybill/protocol';
import { publishAnnotated } from './annotated-record.ts';
import { refuses, succeeds } from './command.ts';
import { COMPONENT_FILE, MODULE_FILE } from './content.ts';
import { peerTest } from './peers.ts';
import { newWargPerson, newWaybillPerson } from './person.ts';
import { randomKey, startWaybill } from './registry.ts';
import { assertSameBytes, newHome, openScene } from './scene.ts';

const WARG_ON_OURS = { start: startWaybill, newcomer: newWargPerson };
const SENTENCE = /test:new uses record version 1: use waybill/;

peerTest('warg reads and writes a package of version 0 whose records have annotations', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const { url } = scene.registry;
  const person = await newWargPerson(url, newHome(scene.folder));
  const reader = await newWargPerson(url, newHome(scene.folder));
  const key = randomKey();
  const record = { name: 'test:annotated', file: MODULE_FILE, grantTo: null };
  const grantTo = parsePublicKey(person.publicKey);
  await publishAnnotated(url, key, { ...record, version: '1.0.0', grantTo });
  await succeeds(person.release(record.name, '1.1.0', COMPONENT_FILE));
  await publishAnnotated(url, key, { ...record, version: '1.2.0' });
  await succeeds(person.release(record.name, '1.3.0', COMPONENT_FILE));
  for (const [version, file] of [
    ['1.0.0', MODULE_FILE],
    ['1.1.0', COMPONENT_FILE],
    ['1.2.0', MODULE_FILE],
    ['1.3.0', COMPONENT_FILE],
  ] as const) {
    const received = path.join(reader.home, `${version}.wasm`);
    await succeeds(reader.download(record.name, version, received));
    assertSameBytes(received, file);
  }
});

peerTest('warg says that a package is of version 1, and goes on with the others', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const owner = await newWaybillPerson(scene.registry.url, newHome(scene.folder));
  const reader = await newWargPerson(scene.registry.url, newHome(scene.folder));
  const early = await newWargPerson(scene.registry.url, newHome(scene.folder));
  for (const name of ['test:old', 'test:older', 'test:new']) await succeeds(owner.release(name, '1.0.0', MODULE_FILE));
  await succeeds(early.download('test:new', null, path.join(early.home, 'new.wasm')));
  await succeeds(owner.run('upgrade', 'test:new'));
  await refuses(reader.run('download', 'test:new', '--output', 'new.wasm'), 1, SENTENCE);
  for (const name of ['test:old', 'test:older']) {
    const received = path.join(reader.home, 'old.wasm');
    await succeeds(reader.run('download', name, '--output', received));
    assertSameBytes(received, MODULE_FILE);
  }
  await succeeds(reader.release('test:own', '1.0.0', COMPONENT_FILE));
  // It asks for all packages that it has at once, so whoever has one of version 1 updates none.
  await refuses(early.run('update'), 1, SENTENCE);
  await succeeds(early.run('download', 'test:old', '--output', 'old.wasm'));
  await refuses(early.run('publish', 'release', '--name', 'test:new', '--version', '2.0.0', MODULE_FILE), 1, SENTENCE);
});
