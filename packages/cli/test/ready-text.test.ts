import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyJson, readyText, type ReadySetting } from '../src/ready-text.ts';

const KEY = `sha256:${'ab'.repeat(32)}`;
const PLAIN: ReadySetting = {
  namespace: 'demo',
  dataDirectory: './waybill-data',
  needsToken: false,
  signsForAccounts: true,
};

const CASES: readonly (readonly [title: string, url: string, setting: ReadySetting, next: readonly string[]])[] = [
  [
    'on this machine, without set-up',
    'http://127.0.0.1:8090/',
    PLAIN,
    [
      'waybill config wkg --registry http://127.0.0.1:8090 --write',
      'wkg oci push 127.0.0.1:8090/demo/hello:1.0.0 FILE --insecure 127.0.0.1:8090',
      'wkg get demo:hello',
    ],
  ],
  [
    'over https, with tokens and in a folder of its own',
    'https://registry.example/',
    { ...PLAIN, needsToken: true, dataDirectory: '/srv/waybill' },
    [
      'waybill config wkg --registry https://registry.example --write',
      'waybill token create me --namespace demo --data /srv/waybill | docker login registry.example --username me --password-stdin',
      'wkg oci push registry.example/demo/hello:1.0.0 FILE',
      'wkg get demo:hello',
    ],
  ],
  [
    'where nobody signs for whoever has no key',
    'https://registry.example/',
    { ...PLAIN, needsToken: true, signsForAccounts: false },
    ['waybill config wkg --registry https://registry.example --write', 'wkg get demo:hello'],
  ],
  ['below a path, where clients of OCI do not look', 'https://registry.example/waybill/', PLAIN, []],
];

for (const [title, url, setting, next] of CASES) {
  test(`what serve says when it is ready, for clients of OCI: ${title}`, () => {
    const ready = { url, operatorKeyId: KEY, commitKeyId: KEY, operatorKeyFile: 'waybill-data/operator.key' };
    const { ociHost, ociNext, ...rest } = readyJson(ready, setting);
    assert.deepEqual(rest, ready);
    assert.deepEqual(ociNext, next);
    assert.equal(ociHost, next.length === 0 ? null : new URL(url).host);
    const told = readyText(ready, setting).split('\n');
    assert.deepEqual(
      told.filter((line) => /^ {2}(wkg|waybill config wkg|.*docker)/.test(line)),
      next.map((line) => `  ${line}`),
    );
    assert.ok(told.includes('  waybill get demo:hello'));
  });
}
