import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  OPERATOR_PERMISSIONS,
  PACKAGE_PERMISSIONS,
  parseAnyHash,
  parseJson,
  parsePublicKey,
  parseVersion,
  type GrantEntry,
  type InitEntry,
  type JsonValue,
  type LogKind,
  type OperatorEntry,
  type PackageEntry,
  type RevokeEntry,
  type Timestamp,
} from '@waybill/protocol';
import { peerPath } from './peers.ts';

/** A test log of the published crate (warg.md 11.1): who signs what, and the state that must come of it. */
export interface UpstreamLog {
  readonly name: string;
  readonly records: readonly {
    readonly key: string;
    readonly time: Timestamp;
    readonly entries: readonly JsonValue[];
  }[];
  /** `{"Valid": state}` or `{"Error": message}`. */
  readonly output: JsonValue;
}

export function upstreamLogs(kind: LogKind): UpstreamLog[] {
  const folder = path.join(peerPath('upstream-logs'), `${kind}-logs`);
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.map((name) => {
    const records = list(parseJson(readFileSync(path.join(folder, name))));
    const output = parseJson(readFileSync(path.join(folder, 'output', name)));
    return { name: `${kind} ${name}`, records: records.map(readRecord), output };
  });
}

function readRecord(value: JsonValue): UpstreamLog['records'][number] {
  const contents = member(value, 'contents');
  const time = readTime(text(member(contents, 'time')));
  return { key: text(member(value, 'key')), time, entries: list(member(contents, 'entries')) };
}

function readTime(rfc3339: string): Timestamp {
  const fraction = /\.([0-9]+)/.exec(rfc3339)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(rfc3339) / 1000);
  return { seconds: BigInt(seconds), nanos: Number(fraction.padEnd(9, '0')) };
}

export function readPackageEntry(value: JsonValue): PackageEntry {
  const [kind, body] = onlyMember(value);
  switch (kind) {
    case 'release': {
      const content = parseAnyHash(text(member(body, 'contentHash')));
      return { type: 'release', version: parseVersion(text(member(body, 'version'))), content };
    }
    case 'yank':
      return { type: 'yank', version: parseVersion(text(member(body, 'version'))) };
    default:
      return readSharedEntry(kind, body, PACKAGE_PERMISSIONS);
  }
}

export function readOperatorEntry(value: JsonValue): OperatorEntry {
  const [kind, body] = onlyMember(value);
  switch (kind) {
    case 'defineNamespace':
      return { type: 'defineNamespace', namespace: text(member(body, 'namespace')) };
    case 'importNamespace': {
      const [namespace, registry] = [text(member(body, 'namespace')), text(member(body, 'registry'))];
      return { type: 'importNamespace', namespace, registry };
    }
    default:
      return readSharedEntry(kind, body, OPERATOR_PERMISSIONS);
  }
}

function readSharedEntry<P extends string>(
  kind: string,
  body: JsonValue,
  all: readonly P[],
): InitEntry | GrantEntry<P> | RevokeEntry<P> {
  if (kind === 'init') return { type: 'init', key: parsePublicKey(text(member(body, 'key'))) };
  const named = new Set(list(member(body, 'permissions')).map(permissionName));
  const permissions = all.filter((permission) => named.has(permission));
  if (kind === 'grantFlat') return { type: 'grant', key: parsePublicKey(text(member(body, 'key'))), permissions };
  if (kind === 'revokeFlat') return { type: 'revoke', keyId: text(member(body, 'keyId')), permissions };
  throw new TypeError(`an entry of unknown kind ${kind}`);
}

/** `OPERATOR_PERMISSION_DEFINE_NAMESPACE` is `defineNamespace`. */
function permissionName(value: JsonValue): string {
  const name = text(value).replace(/^[A-Z]+_PERMISSION_/, '');
  return camelCase(name.toLowerCase());
}

function onlyMember(value: JsonValue): [string, JsonValue] {
  const [first] = members(value);
  if (first === undefined) throw new TypeError('an entry says nothing');
  return [camelCase(first[0]), first[1]];
}

/** Written in camelCase or in snake_case, as protobuf's JSON may be. */
function member(value: JsonValue, name: string): JsonValue {
  const found = members(value).find(([key]) => camelCase(key) === name);
  if (found === undefined) throw new TypeError(`no member ${name}`);
  return found[1];
}

function members(value: JsonValue): [string, JsonValue][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
  return Object.entries(value);
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function list(value: JsonValue): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
}

function text(value: JsonValue): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}
