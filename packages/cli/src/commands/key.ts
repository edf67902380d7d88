import { readFile } from 'node:fs/promises';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { readPrivateKeys, type KeyStore } from '@waybill/client/node';
import {
  formatJosePrivateKey,
  isRegistryError,
  JOSE_ALGORITHM_NAMES,
  localSigner,
  messageOf,
  RegistryError,
  utf8,
  verifySignature,
  type JosePrivateKey,
} from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, textFlag } from '../flags.ts';
import { algorithmFlag, algorithmOf, isKeyText } from '../key-argument.ts';
import { keyStoreOf } from '../session.ts';

interface KeyFlags extends CommonFlags {
  readonly name?: string;
}

interface KeepFlags extends KeyFlags {
  readonly file?: boolean;
  readonly alg?: string;
}

interface ExportFlags extends KeyFlags {
  readonly jwk?: boolean;
  readonly public?: boolean;
}

const nameFlag = { name: textFlag("Name of the key (default: 'default')", 'name') };
const fileFlag = {
  file: { kind: 'boolean', brief: 'Keep it in a file, though there is a keyring', optional: true, withNegated: false },
} as const;

function describeKey(name: string, { publicKey }: JosePrivateKey, lead: string): CommandResult {
  const { id, text, algorithm } = publicKey;
  return {
    text: `${lead}\n  key id      ${id}\n  public key  ${text}`,
    json: { name, keyId: id, publicKey: text, algorithm },
  };
}

const newCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a signing key',
    fullDescription: `Kept in the keyring, or in a file that only you can read. Every client reads releases signed with ES256,
the default; those of the others up to Ed25519 make a package one of version 1. Keys of Ed448 and ML-DSA sign files alone.

  waybill key new
  waybill key new --alg Ed25519 --name files`,
  },
  parameters: {
    flags: {
      ...nameFlag,
      alg: textFlag(`Algorithm: ${JOSE_ALGORITHM_NAMES.join(', ')}`, 'name'),
      ...fileFlag,
      ...jsonFlag,
    },
  },
  func: action<KeepFlags, []>(async (context, { name = 'default', file = false, alg }) => {
    const key = await keyStoreOf(context).createAny(name, algorithmOf(alg) ?? 'ES256', file);
    return describeKey(name, key, `made the key ${name}`);
  }),
});

const importCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: "Keep a key from a file ('-' is standard input)",
    fullDescription: `Reads the text that 'key export' prints, PEM, a JWK, or a JWK set. Of a set with several private keys the second is
kept as <name>-2, and so on. An RSA key that does not say its algorithm needs --alg.

  waybill key import team.key --name team
  waybill key import rsa.pem --alg PS256 --name rsa`,
  },
  parameters: {
    flags: {
      ...nameFlag,
      ...algorithmFlag,
      ...fileFlag,
      ...jsonFlag,
    },
    positional: { kind: 'tuple', parameters: [argument('File with the private key', 'file')] },
  },
  func: action<KeepFlags, [string]>(async (context, flags, _progress, source) => {
    const { name = 'default', file = false, alg } = flags;
    if (isKeyText(source))
      throw new RegistryError('usage/invalid', 'that is a key: name a file with it, or - and pipe it');
    const text = await readFile(source === '-' ? '/dev/stdin' : source, 'utf8');
    const keys = readPrivateKeys(text, algorithmOf(alg));
    await Promise.all(keys.map(requireOnePair));
    const named = keys.map((key, i) => ({ key, name: i === 0 ? name : `${name}-${i + 1}` }));
    await saveAll(keyStoreOf(context), named, file);
    const kept = named.map((one) => describeKey(one.name, one.key, `imported the key ${one.name}`));
    const [only, ...others] = kept;
    if (only !== undefined && others.length === 0) return only;
    return { text: kept.map((one) => one.text).join('\n'), json: kept.map((one) => one.json) };
  }),
});

interface NamedKey {
  readonly name: string;
  readonly key: JosePrivateKey;
}

/** All of them or none, but for a disk that fails between two: then the error says which are kept. */
async function saveAll(store: KeyStore, keys: readonly NamedKey[], inFile: boolean): Promise<void> {
  for (const { name } of keys) await store.requireFree(name);
  const kept: string[] = [];
  try {
    for (const { name, key } of keys) {
      await store.saveAny(name, key, inFile);
      kept.push(name);
    }
  } catch (failure) {
    if (kept.length === 0) throw failure;
    const message = `${messageOf(failure)} (kept before that: ${kept.join(', ')})`;
    if (isRegistryError(failure)) throw new RegistryError(failure.code, message, { kept: kept.join(' ') });
    throw new Error(message, { cause: failure });
  }
}

/** A file may hold halves of two keys, or numbers that are no key at all: one signature shows it. */
async function requireOnePair(key: JosePrivateKey): Promise<void> {
  const message = utf8('does this key sign?');
  const signature = await localSigner(key).sign(message);
  if (await verifySignature(key.publicKey, message, signature)) return;
  throw new RegistryError('text/private-key', 'the public key in the file is not that of the private key');
}

const exportCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Print a private key, to be kept secret; or its public key',
    fullDescription: `  waybill key export --name team > team.key
  waybill key export --name team --public > team.pub
  waybill key export --name team --jwk --public > team.jwk`,
  },
  parameters: {
    flags: {
      ...nameFlag,
      jwk: { kind: 'boolean', brief: 'As a JSON Web Key', optional: true, withNegated: false },
      public: { kind: 'boolean', brief: 'The public key', optional: true, withNegated: false },
      ...jsonFlag,
    },
  },
  func: action<ExportFlags, []>(async (context, { name = 'default', jwk = false, public: isPublic = false }) => {
    const key = await keyStoreOf(context).load(name);
    const { publicKey } = key;
    if (jwk) {
      const { members } = isPublic ? publicKey : key;
      const json = { ...members, alg: publicKey.algorithm, kid: publicKey.id, use: 'sig' };
      return { text: JSON.stringify(json), json };
    }
    if (isPublic) return { text: publicKey.text, json: { name, publicKey: publicKey.text } };
    const privateKey = formatJosePrivateKey(key);
    return { text: privateKey, json: { name, privateKey } };
  }),
});

const infoCommand: Command<CliContext> = buildCommand({
  docs: { brief: 'Show the public side of a key', fullDescription: '  waybill key info' },
  parameters: { flags: { ...nameFlag, ...jsonFlag } },
  func: action<KeyFlags, []>(async (context, { name = 'default' }) =>
    describeKey(name, await keyStoreOf(context).load(name), `the key ${name}`),
  ),
});

const listCommand: Command<CliContext> = buildCommand({
  docs: { brief: 'List the keys', fullDescription: '  waybill key list' },
  parameters: { flags: jsonFlag },
  func: action<CommonFlags, []>(async (context) => {
    const store = keyStoreOf(context);
    const names = await store.names();
    const keys = await Promise.all(names.map(async (name) => ({ name, keyId: (await store.load(name)).publicKey.id })));
    const text = keys.map(({ name, keyId }) => `${name}  ${keyId}`).join('\n');
    return { text: text || "no keys; make one with 'waybill key new'", json: keys };
  }),
});

export const keyRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { new: newCommand, import: importCommand, export: exportCommand, list: listCommand, info: infoCommand },
  docs: { brief: 'Signing keys' },
});
