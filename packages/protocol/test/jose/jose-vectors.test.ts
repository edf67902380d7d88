import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { mock, test } from 'node:test';
import { findChromium } from '@waybill/tools/chromium';
import { JOSE_ALGORITHM_NAMES } from '../../src/jose/algorithms.ts';
import { inChromium, PLATFORMS, type JosePage } from './browser-build.ts';
import { requireSigned } from './platform-signature.ts';
import { KINDS, outcomeOf, type Vector } from './vector-checks.ts';

const VECTORS = new URL('../../../../../vectors/jose/', import.meta.url);

function read(kind: string): readonly Vector[] {
  return JSON.parse(readFileSync(new URL(`${kind}.json`, VECTORS), 'utf8'));
}

for (const kind of KINDS) {
  for (const [platform, protocol] of PLATFORMS) {
    test(`vectors: jose/${kind} (${platform}); nothing is fetched`, async () => {
      const connecting = mock.method(Socket.prototype, 'connect', () => assert.fail('something was to be fetched'));
      try {
        for (const vector of read(kind)) {
          assert.equal(await outcomeOf(protocol, kind, vector), vector.expect, `${vector.clause}: ${vector.name}`);
        }
        assert.equal(connecting.mock.callCount(), 0);
      } finally {
        connecting.mock.restore();
      }
    });
  }
}

const chromium = findChromium();
const isMissing = chromium === null && !process.env['CI'];
const skip = isMissing && 'there is no Chromium here';

async function askChromium(ask: (page: JosePage) => Promise<void>): Promise<void> {
  const message = 'where everything is to be tested, a Chromium must be on the PATH';
  await inChromium(chromium ?? assert.fail(message), ask);
}

test('vectors: jose in Chromium', { skip }, () =>
  askChromium(async (page) => {
    const outcomes = await page.outcomes(KINDS.map((kind) => ({ kind, vectors: read(kind) })));
    for (const [i, kind] of KINDS.entries()) {
      for (const [k, vector] of read(kind).entries()) {
        // What no browser has to have may be missing; it must not be wrong.
        const isOptional = outcomes[i]?.[k] === 'jws/unsupported' && vector.name === 'Ed448';
        if (!isOptional) assert.equal(outcomes[i]?.[k], vector.expect, `${vector.clause}: ${vector.name}`);
      }
    }
    assert.deepEqual(page.requested, ['/', '/page.js']);
  }),
);

test('jose 3.5: in Chromium, keys that cannot be exported sign', { skip }, () =>
  askChromium(async (page) => {
    const signed = await page.signed(JOSE_ALGORITHM_NAMES);
    for (const [i, name] of JOSE_ALGORITHM_NAMES.entries()) await requireSigned(name, signed[i] ?? null);
  }),
);
