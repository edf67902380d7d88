import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { createFile } from '@waybill/client/node';
import {
  formatPrivateKey,
  OPERATOR_PERMISSIONS,
  operatorInitKey,
  parsePublicKey,
  privateKeyFromRandom,
  RegistryError,
  utf8,
  type OperatorPermission,
  type OperatorState,
  type PrivateKey,
} from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, registryFlags, textFlag } from '../flags.ts';
import { keyIdOf } from '../grant-flags.ts';
import { openClient } from '../session.ts';
import { appendFlags, appendOrDraft, type AppendFlags, type LookFlags } from './operator-record.ts';

/** Readable by its owner only. */
const KEY_MODE = 0o600;

const newCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a key for a registry to sign its checkpoints with',
    fullDescription: 'An ECDSA P-256 key, which every client reads.\n\n  waybill operator key new next.key',
  },
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [argument('Where to write it', 'file')] } },
  func: action<CommonFlags, [string]>(async (_context, _flags, _progress, file) => {
    // One that is there may be the only copy of a key.
    const key = newKey();
    if (!(await createFile(path.resolve(file), utf8(`${formatPrivateKey(key)}\n`), KEY_MODE))) {
      throw new RegistryError('usage/invalid', `${file} is there already: choose another name`);
    }
    const { id, text } = key.publicKey;
    return {
      text: `${text}\nkey id  ${id}\nkept in ${file}. Next:  waybill operator key grant ${text}`,
      json: { file: path.resolve(file), keyId: id, publicKey: text },
    };
  }),
});

function newKey(): PrivateKey {
  return privateKeyFromRandom(randomBytes(32)) ?? newKey();
}

interface PermissionFlags extends AppendFlags {
  readonly permissions?: string;
}

const permissionsFlag = textFlag(`${OPERATOR_PERMISSIONS.join(', ')} (default: commit)`, 'list');

const grantCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Let another key sign checkpoints, or define namespaces',
    fullDescription: `Only the key that started the registry grants. Once another key may commit, it can stay offline: docs/operating.md says how.

  waybill operator key grant ecdsa-p256:…
  waybill operator key grant ecdsa-p256:… --draft next.json`,
  },
  parameters: {
    flags: { permissions: permissionsFlag, ...appendFlags },
    positional: { kind: 'tuple', parameters: [argument('Public key', 'public key')] },
  },
  func: action<PermissionFlags, [string]>((context, flags, progress, key) =>
    appendOrDraft(context, flags, progress, {
      type: 'grant',
      key: parsePublicKey(key),
      permissions: permissionsOf(flags),
    }),
  ),
});

const revokeCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take that from a key, from now on',
    fullDescription: `Checkpoints that it has signed stay good. The server must sign with another key already.

  waybill operator key revoke sha256:… --draft old.json`,
  },
  parameters: {
    flags: { permissions: permissionsFlag, ...appendFlags },
    positional: { kind: 'tuple', parameters: [argument('Key id or public key', 'key')] },
  },
  func: action<PermissionFlags, [string]>((context, flags, progress, key) =>
    appendOrDraft(context, flags, progress, {
      type: 'revoke',
      keyId: keyIdOf(key),
      permissions: permissionsOf(flags),
    }),
  ),
});

function permissionsOf({ permissions = 'commit' }: PermissionFlags): OperatorPermission[] {
  return permissions.split(',').map((text) => {
    const permission = OPERATOR_PERMISSIONS.find((one) => one === text.trim());
    if (permission !== undefined) return permission;
    throw new RegistryError('usage/invalid', `--permissions takes ${OPERATOR_PERMISSIONS.join(', ')}, not ${text}`);
  });
}

const listCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'List the keys of a registry and what they may do',
    fullDescription: 'Read from the operator log, verified.\n\n  waybill operator key list',
  },
  parameters: { flags: registryFlags },
  func: action<LookFlags, []>(async (context, flags, progress) => {
    progress.step('verifying the operator log');
    const keys = keysOf((await (await openClient(context, flags)).view([])).operator);
    const text = keys.map(
      ({ keyId, isRoot, permissions }) =>
        `${keyId}  ${permissions.join(', ') || 'nothing any more'}${isRoot ? '  (root: grants and revokes)' : ''}`,
    );
    return { text: text.join('\n'), json: keys };
  }),
});

function keysOf(operator: OperatorState): { keyId: string; isRoot: boolean; permissions: OperatorPermission[] }[] {
  const root = operatorInitKey(operator).id;
  return [...operator.keys.keys()].map((keyId) => ({
    keyId,
    isRoot: keyId === root,
    permissions: [...(operator.permissions.get(keyId)?.keys() ?? [])],
  }));
}

export const operatorKeyRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { new: newCommand, grant: grantCommand, revoke: revokeCommand, list: listCommand },
  docs: { brief: 'Keys that a registry is run with' },
});
