import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeComponents } from '../../../src/content/index.ts';
import { running, textOf } from './component-maker.ts';
import { adder, collector, counters, customer, multiplier, shop } from './units.ts';

describe('a component and its dependencies become one that runs', () => {
  test('a chain of three', async () => {
    const dependencies = [
      { name: 'demo:triple', bytes: await multiplier('triple', 3) },
      { name: 'demo:math', bytes: await adder() },
    ];
    const composed = composeComponents({ root: await collector(['triple']), dependencies });
    assert.deepEqual(composed.composed, ['demo:math', 'demo:triple']);
    assert.deepEqual(composed.imports, []);
    assert.equal(await running(composed.bytes, {}, ({ run }) => run?.(7)), 21);
  });

  test('a diamond has one instance of what both sides need', async () => {
    const dependencies = [
      { name: 'demo:triple', bytes: await multiplier('triple', 3) },
      { name: 'demo:double', bytes: await multiplier('double', 2) },
      { name: 'demo:math', bytes: await adder() },
      { name: 'demo:other', bytes: await adder('@2.0.0') },
    ];
    const composed = composeComponents({ root: await collector(['triple', 'double']), dependencies });
    assert.deepEqual(composed.composed, ['demo:math', 'demo:triple', 'demo:double']);
    assert.deepEqual(composed.unused, ['demo:other']);
    assert.equal(await running(composed.bytes, {}, ({ run }) => run?.(7)), 35);
  });

  test('resources are passed between three components', async () => {
    const dependencies = [
      { name: 'demo:shop', bytes: await shop() },
      { name: 'demo:counter', bytes: await counters() },
    ];
    const composed = composeComponents({ root: await customer(), dependencies });
    assert.deepEqual(composed.imports, []);
    assert.equal(await running(composed.bytes, {}, ({ run }) => run?.(5)), 16_006);
    assert.match(await textOf(composed.bytes), /^\(component/);
  });
});
