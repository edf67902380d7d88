import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { readUpstreamsFile } from '../src/upstreams-file.ts';

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-upstreams-'));
});

after(() => rm(folder, { recursive: true }));

async function read(text: string) {
  const file = path.join(folder, 'upstreams.toml');
  await writeFile(file, text);
  return readUpstreamsFile(file, { UPSTREAM_TOKEN: 'secret', EMPTY: '' });
}

test('the upstreams file names a registry for each namespace', async () => {
  const text = `
[namespace.wasi]
registry = "oci.example"
prefix = "webassembly/"
hosts = ["blobs.oci.example"]
username = "me"
password_variable = "UPSTREAM_TOKEN"

[namespace.ba]
registry = "127.0.0.1:5000"
plain_http = true
networks = ["127.0.0.1"]
`;
  assert.deepEqual(await read(text), [
    {
      namespace: 'wasi',
      registry: 'oci.example',
      prefix: 'webassembly/',
      isPlainHttp: false,
      hosts: ['blobs.oci.example'],
      networks: [],
      credentials: { username: 'me', password: 'secret' },
    },
    {
      namespace: 'ba',
      registry: '127.0.0.1:5000',
      prefix: '',
      isPlainHttp: true,
      hosts: [],
      networks: ['127.0.0.1'],
      credentials: null,
    },
  ]);
});

const REFUSED: readonly (readonly [title: string, text: string])[] = [
  ['no TOML', '[namespace'],
  ['an unknown member', '[namespace.a]\nregistry = "r.example"\nregistri = 1'],
  ['no registry', '[namespace.a]\n'],
  ['no namespace', '[namespace."A b"]\nregistry = "r.example"'],
  ['an address with its scheme', '[namespace.a]\nregistry = "https://r.example"'],
  ['a file', '[namespace.a]\nregistry = "file:///etc"'],
  ['a host with a path', '[namespace.a]\nregistry = "r.example/x"'],
  ['a host with a user', '[namespace.a]\nregistry = "me@r.example"'],
  ['a host in capitals', '[namespace.a]\nregistry = "R.example"'],
  ['a number that is an address', '[namespace.a]\nregistry = "2130706433"'],
  ['the usual port', '[namespace.a]\nregistry = "r.example:443"'],
  ['a prefix that runs into the name', '[namespace.a]\nregistry = "r.example"\nprefix = "webassembly"'],
  ['a prefix that is no path', '[namespace.a]\nregistry = "r.example"\nprefix = "../"'],
  ['a network that is none', '[namespace.a]\nregistry = "r.example"\nnetworks = ["localhost"]'],
  ['a user without a password', '[namespace.a]\nregistry = "r.example"\nusername = "me"'],
  ['a password in the file', '[namespace.a]\nregistry = "r.example"\nusername = "me"\npassword = "x"'],
  ['a variable that is not there', '[namespace.a]\nregistry = "r.example"\nusername = "me"\npassword_variable = "NO"'],
  ['a variable that is empty', '[namespace.a]\nregistry = "r.example"\nusername = "me"\npassword_variable = "EMPTY"'],
];

for (const [title, text] of REFUSED) {
  test(`the upstreams file is refused: ${title}`, async () => {
    await assert.rejects(read(text), (failure) => isRegistryError(failure) && failure.code === 'usage/invalid');
  });
}
