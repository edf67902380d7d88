import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { readWitPackage } from '../../src/project/content-survey.ts';
import { binaryMembers } from '../../src/project/wit-layout.ts';

test('W11: WIT whose text no tool would read stays in its binary form', () => {
  const text = 'package a:b@1.0.0;\n\n/// xyz\ninterface i {\n  f: func();\n}\n';
  const bytes = encodeWit(parseWit({ main: [{ path: 'b.wit', text }], dependencies: [] }));
  assert.match(readWitPackage(bytes).text ?? '', /\/\/\/ xyz\ninterface i/);
  const turned = Buffer.from(bytes);
  const at = turned.indexOf('xyz');
  assert.ok(at > 0);
  turned.write('\u202e', at);
  assert.equal(readWitPackage(turned).text, null);
});

test('WIT that a binary package beside it has copies of is binary as well: tools take no text of what they have read', () => {
  const member = (id: string, ...uses: string[]) => ({ id, uses, hasText: true });
  const types = member('a:types@1.0.0');
  const store = member('a:store@1.0.0', 'a:types@1.0.0');
  const http = member('a:http@1.0.0', 'a:store@1.0.0', 'a:types@1.0.0');
  const newer = member('a:store@1.1.0', 'a:types@1.0.0');
  const odd = { ...store, hasText: false };
  assert.deepEqual([...binaryMembers([http, types, store])], []);
  assert.deepEqual([...binaryMembers([types, newer, http])].toSorted(), ['a:http@1.0.0', 'a:types@1.0.0']);
  assert.deepEqual([...binaryMembers([types, odd, http])].toSorted(), ['a:store@1.0.0', 'a:types@1.0.0']);
});
