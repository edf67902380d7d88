import { readFile } from 'node:fs/promises';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { formatPrivateKey, parsePrivateKey, type PrivateKey } from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, textFlag } from '../flags.ts';
import { keyStoreOf } from '../session.ts';

interface KeyFlags extends CommonFlags {
  readonly name?: string;
}

interface KeepFlags extends KeyFlags {
  readonly file?: boolean;
}

const nameFlag = { name: textFlag("Name of the key (default: 'default')", 'name') };
const fileFlag = {
  file: { kind: 'boolean', brief: 'Keep it in a file, though there is a keyring', optional: true, withNegated: false },
} as const;

function describeKey(name: string, { publicKey }: PrivateKey, lead: string): CommandResult {
  return {
    text: `${lead}\n  key id      ${publicKey.id}\n  public key  ${publicKey.text}`,
    json: { name, keyId: publicKey.id, publicKey: publicKey.text },
  };
}

const newCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a signing key',
    fullDescription: 'Kept in the keyring, or in a file that only you can read.\n\n  waybill key new',
  },
  parameters: { flags: { ...nameFlag, ...fileFlag, ...jsonFlag } },
  func: action<KeepFlags, []>(async (context, { name = 'default', file = false }) => {
    const key = await keyStoreOf(context).create(name, file);
    return describeKey(name, key, `made the key ${name}`);
  }),
});

const importCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: "Keep a key from a file ('-' is standard input)",
    fullDescription: '  waybill key import team.key --name team',
  },
  parameters: {
    flags: { ...nameFlag, ...fileFlag, ...jsonFlag },
    positional: { kind: 'tuple', parameters: [argument('File with the private key text', 'file')] },
  },
  func: action<KeepFlags, [string]>(async (context, { name = 'default', file = false }, _progress, source) => {
    const key = parsePrivateKey((await readFile(source === '-' ? '/dev/stdin' : source, 'utf8')).trim());
    await keyStoreOf(context).save(name, key, file);
    return describeKey(name, key, `imported the key ${name}`);
  }),
});

const exportCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Print a private key; keep it secret',
    fullDescription: '  waybill key export --name team > team.key',
  },
  parameters: { flags: { ...nameFlag, ...jsonFlag } },
  func: action<KeyFlags, []>(async (context, { name = 'default' }) => {
    const privateKey = formatPrivateKey(await keyStoreOf(context).load(name));
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
