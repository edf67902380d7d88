import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressRules } from '../../src/upstream/address-rules.ts';

const CLOSED = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%lo',
  'ff02::1',
  '2001:db8::1',
  '2001::1',
  '2002:7f00:1::',
  'localhost',
  '2130706433',
  '',
];
const OPEN = [
  '8.8.8.8',
  '140.82.121.34',
  '100.63.255.255',
  '172.32.0.1',
  '2606:50c0:8000::154',
  '2a00:1450:4001:830::200e',
];

test('W1: only public addresses may be connected to', () => {
  const rules = new AddressRules([]);
  assert.deepEqual(
    CLOSED.filter((address) => rules.allows(address)),
    [],
  );
  assert.deepEqual(
    OPEN.filter((address) => !rules.allows(address)),
    [],
  );
});

test('W1: networks that the operator names may be connected to, and no others', () => {
  const rules = new AddressRules(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
  for (const address of ['127.0.0.1', '10.255.0.1', 'fd00::5', '8.8.8.8']) assert.ok(rules.allows(address), address);
  for (const address of ['127.0.0.2', '192.168.0.1', '169.254.169.254', 'fe80::1', '::1']) {
    assert.ok(!rules.allows(address), address);
  }
});

for (const text of [
  '',
  'localhost',
  '127.0.0.1/',
  '127.0.0.1/33',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '300.0.0.1',
  '::1/129',
]) {
  test(`what is no network is refused: ${text}`, () => {
    assert.throws(() => new AddressRules([text]));
  });
}
