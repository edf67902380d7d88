import {
  OPERATOR_LOG,
  OPERATOR_PERMISSIONS,
  PACKAGE_LOG,
  PACKAGE_PERMISSIONS,
  parseAnyHash,
  parseVersion,
  encodeHex,
  type AnyHash,
  type NamespaceBinding,
  type OperatorEntry,
  type OperatorPermission,
  type PackageEntry,
  type PackagePermission,
  type PrivateKey,
  type Release,
  type VersionText,
} from '@waybill/protocol';
import type { Vocabulary } from './log-maker.ts';
import type { Random } from './random.ts';

/** Few enough that two records meet. */
const VERSIONS = [
  '0.1.0',
  '0.2.0',
  '1.0.0',
  '1.0.0-rc.1',
  '1.0.0+a',
  '1.0.0+b',
  '1.2.3',
  '2.0.0',
  '18446744073709551615.0.0',
];
const NAMESPACES = [
  'test',
  'wasi',
  'a',
  'a-b',
  'abc-d0-e',
  'zz9',
  'Test',
  'a--b',
  '-a',
  'a-',
  '1a',
  'a_b',
  '',
  'ä',
  'a-1',
  'a:b',
];
const HASH_LENGTHS = [32, 32, 32, 32, 0, 1, 31, 33, 64];

export const PACKAGE_VOCABULARY: Vocabulary<PackageEntry, PackagePermission, Release> = {
  dialect: PACKAGE_LOG,
  init: ({ publicKey }) => ({ type: 'init', key: publicKey }),
  faults(random, { publicKey }) {
    const version = drawVersion(random, []);
    const release: PackageEntry = { type: 'release', version, content: drawHash(random) };
    const yank: PackageEntry = { type: 'yank', version };
    return [
      [release, release],
      [release, yank, release],
      [release, yank, yank],
      [{ type: 'yank', version: parseVersion('404.0.0') }],
      [{ type: 'grant', key: publicKey, permissions: [] }],
      [{ type: 'revoke', keyId: publicKey.id, permissions: ['yank', 'yank'] }],
      [{ type: 'revoke', keyId: 'nobody', permissions: ['release'] }],
      [{ type: 'init', key: publicKey }],
    ];
  },
  draw(random, keys, state) {
    switch (random.below(8)) {
      case 0:
        return { type: 'init', key: random.pick(keys).publicKey };
      case 1:
        return { type: 'grant', key: random.pick(keys).publicKey, permissions: drawList(random, PACKAGE_PERMISSIONS) };
      case 2:
        return { type: 'revoke', keyId: drawKeyId(random, keys), permissions: drawList(random, PACKAGE_PERMISSIONS) };
      case 3:
      case 4:
        return {
          type: 'yank',
          version: drawVersion(
            random,
            [...state.bindings.values()].map(({ version }) => version),
          ),
        };
      default:
        return { type: 'release', version: drawVersion(random, []), content: drawHash(random) };
    }
  },
};

export const OPERATOR_VOCABULARY: Vocabulary<OperatorEntry, OperatorPermission, NamespaceBinding> = {
  dialect: OPERATOR_LOG,
  init: ({ publicKey }) => ({ type: 'init', key: publicKey }),
  faults(random, { publicKey }) {
    const define: OperatorEntry = { type: 'defineNamespace', namespace: drawNamespace(random, []) };
    return [
      [define, define],
      [define, { type: 'importNamespace', namespace: define.namespace, registry: 'wasi.dev' }],
      [{ type: 'importNamespace', namespace: 'Not-Kebab', registry: '' }],
      [{ type: 'grant', key: publicKey, permissions: [] }],
      [{ type: 'revoke', keyId: publicKey.id, permissions: ['commit', 'commit'] }],
      [{ type: 'revoke', keyId: 'nobody', permissions: ['defineNamespace'] }],
      [{ type: 'init', key: publicKey }],
    ];
  },
  draw(random, keys, state) {
    switch (random.below(6)) {
      case 0:
        return { type: 'init', key: random.pick(keys).publicKey };
      case 1:
        return { type: 'grant', key: random.pick(keys).publicKey, permissions: drawList(random, OPERATOR_PERMISSIONS) };
      case 2:
        return { type: 'revoke', keyId: drawKeyId(random, keys), permissions: drawList(random, OPERATOR_PERMISSIONS) };
      case 3:
        return {
          type: 'importNamespace',
          namespace: drawNamespace(random, [...state.bindings.keys()]),
          registry: random.pick(['wasi.dev', '', 'ä b']),
        };
      default:
        return { type: 'defineNamespace', namespace: drawNamespace(random, [...state.bindings.keys()]) };
    }
  },
};

/** Any subset; now and then one twice, or in another order. */
export function drawList<P extends string>(random: Random, all: readonly P[]): P[] {
  const list = random.some(all);
  if (random.once(8)) list.push(random.pick(all));
  return random.once(4) ? list.toReversed() : list;
}

function drawKeyId(random: Random, keys: readonly PrivateKey[]): string {
  if (random.once(10)) return random.pick(['', 'sha256:00', 'nobody', 'ä']);
  return random.pick(keys).publicKey.id;
}

function drawVersion(random: Random, known: readonly VersionText[]): VersionText {
  if (known.length > 0 && !random.once(4)) return random.pick(known);
  if (random.once(3)) return parseVersion(`${random.below(1000)}.${random.below(10)}.0`);
  return parseVersion(random.pick(VERSIONS));
}

export function drawHash(random: Random): AnyHash {
  return parseAnyHash(`sha256:${encodeHex(random.bytes(random.pick(HASH_LENGTHS)))}`);
}

function drawNamespace(random: Random, known: readonly string[]): string {
  if (known.length > 0 && random.once(3)) return random.pick(known);
  return random.once(2) ? `ns-${encodeHex(random.bytes(2)).replaceAll(/[0-9]/g, 'x')}` : random.pick(NAMESPACES);
}
