import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { witTextOf } from '../../src/project/content-survey.ts';

test('W11: WIT whose text no tool would read stays in its binary form', () => {
  const text = 'package a:b@1.0.0;\n\n/// xyz\ninterface i {\n  f: func();\n}\n';
  const bytes = encodeWit(parseWit({ main: [{ path: 'b.wit', text }], dependencies: [] }));
  assert.match(witTextOf(bytes, () => true) ?? '', /\/\/\/ xyz\ninterface i/);
  const turned = Buffer.from(bytes);
  const at = turned.indexOf('xyz');
  assert.ok(at > 0);
  turned.write('\u202e', at);
  assert.equal(
    witTextOf(turned, () => true),
    null,
  );
});
