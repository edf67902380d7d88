import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WitNamedType, WitPackage } from '@waybill/protocol/content';
import { orderPackages } from '../../src/content/wit/package-order.ts';
import { interfaceOf, named, packageOf, typeOf } from './wit-maker.ts';

const OWN: WitNamedType = typeOf(interfaceOf('own', {}), 'size', { type: 'resource' });

/** A package with one interface, which has a type for each of others that it uses. */
function packageUsing(name: string, used: readonly WitNamedType[]): WitPackage {
  const id = { namespace: 'acme', name, version: null };
  const described = interfaceOf('types', {
    packageId: id,
    types: (owner) => [
      typeOf(owner, 'own', { type: 'resource' }),
      ...used.map((type, index) => typeOf(owner, `u${index}`, { type: 'alias', target: named(type) })),
    ],
  });
  return packageOf(id, [described], []);
}

function ownTypeOf(one: WitPackage): WitNamedType {
  return one.interfaces.get('types')?.types.get('own') ?? assert.fail();
}

function namesOf(packages: readonly WitPackage[]): string {
  return packages.map(({ id }) => id.name).join(' ');
}

test('packages stand after those that they take types from, else as they come', () => {
  const c = packageUsing('c', [OWN]);
  const b = packageUsing('b', [ownTypeOf(c)]);
  const a = packageUsing('a', [ownTypeOf(b), ownTypeOf(c)]);
  const z = packageUsing('z', []);
  assert.equal(namesOf(orderPackages([z, a, b, c])), 'z c b a');
  assert.equal(namesOf(orderPackages([c, b, a, z])), 'c b a z');
  assert.equal(namesOf(orderPackages([])), '');
});

test('P10: packages in a circle, and a chain of 10,000, are put in order', () => {
  const types = new Map<string, WitNamedType>();
  const owner = interfaceOf('types', {});
  const circular: WitPackage = packageOf(owner.packageId ?? assert.fail(), [{ ...owner, types }], []);
  const other = packageUsing('other', [
    typeOf(circular.interfaces.get('types') ?? assert.fail(), 't', { type: 'resource' }),
  ]);
  types.set('back', typeOf(owner, 'back', { type: 'alias', target: named(ownTypeOf(other)) }));
  assert.equal(namesOf(orderPackages([circular, other])), 'other shop');
  const chain = [packageUsing('p0', [])];
  for (let last = chain[0]; last !== undefined && chain.length < 10_000; last = chain.at(-1))
    chain.push(packageUsing(`p${chain.length}`, [ownTypeOf(last)]));
  assert.equal(namesOf(orderPackages(chain.toReversed())), namesOf(chain));
});
