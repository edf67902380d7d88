import {
  encodeRecordContents,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  timestampFromMs,
  utf8,
  digestOf,
  type Digest,
  type Envelope,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PrivateKey,
  type RecordId,
} from '@waybill/protocol';
import { keyOf, releaseOf, signContents, wasmOf } from '../publisher.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** A record that clients post, and what became of it as far as they know. */
export interface Draft {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly id: RecordId;
  readonly envelope: Envelope;
  readonly contents: ReadonlyMap<Digest, Uint8Array>;
  /** No state of its log makes it right. */
  readonly isWrong: boolean;
  /** Posts without an answer so far; one that was lost may still arrive. */
  inFlight: number;
  /** Of all times. */
  posts: number;
  /** When a client was first told that it is accepted; `null` before. */
  acceptedAtMs: number | null;
  settled: boolean;
}

export interface SimulatedPackage {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly drafts: Draft[];
}

const OWNER = keyOf('owner');
const HELPER = keyOf('helper');
const STRANGER = keyOf('stranger');
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0'];
const NOT_WASM = utf8('a text');
const YEAR_2100_MS = 4_102_444_800_000;

export function packageOf(title: string): SimulatedPackage {
  const name = parsePackageName(`test:${title}`);
  return { name, logId: packageLogId(name), drafts: [] };
}

/** A record that mostly follows the newest one, mostly by a key that may: the rest is what rivals and mistakes look like. */
export async function draftFor(world: World, { name, logId, drafts }: SimulatedPackage): Promise<Draft> {
  const { random } = world;
  const log = [...(world.disk.state.logs.get(logId)?.values() ?? [])];
  const stale = random.once(6);
  const prev = stale ? [null, ...log.map(({ recordId }) => recordId)] : [log.at(-1)?.recordId ?? null];
  const follows = random.pick(prev);
  const contents = new Map<Digest, Uint8Array>();
  const entries = follows === null ? firstEntries(random) : [nextEntry(random, name, contents)];
  if (random.once(3)) entries.push(nextEntry(random, name, contents));
  const isFarAhead = random.once(40);
  const isForged = random.once(25);
  const key = random.once(30) ? STRANGER : follows !== null && random.once(4) ? HELPER : OWNER;
  const ms = isFarAhead ? YEAR_2100_MS : world.nowMs - (random.once(8) ? random.below(30_000) : 0);
  const time = timestampFromMs(ms, random.below(1_000_000));
  const bytes = encodeRecordContents(PACKAGE_LOG, { prev: follows, time, entries });
  const { id, envelope } = await signContents(bytes, isForged ? STRANGER : key);
  const isWrong = isFarAhead || (isForged && key !== STRANGER) || key === STRANGER;
  const signed = { ...envelope, keyId: key.publicKey.id };
  const draft = {
    name,
    logId,
    id,
    envelope: signed,
    contents,
    isWrong,
    inFlight: 0,
    posts: 0,
    acceptedAtMs: null,
    settled: false,
  };
  drafts.push(draft);
  return draft;
}

function firstEntries(random: Random): PackageEntry[] {
  const entries: PackageEntry[] = [{ type: 'init', key: OWNER.publicKey }];
  if (random.once(2)) entries.push(grantOf(HELPER));
  return entries;
}

function grantOf(key: PrivateKey): PackageEntry {
  return { type: 'grant', key: key.publicKey, permissions: ['release'] };
}

function nextEntry(random: Random, name: PackageName, contents: Map<Digest, Uint8Array>): PackageEntry {
  const version = parseVersion(random.pick(VERSIONS));
  if (random.once(6)) return { type: 'yank', version };
  if (random.once(6)) return grantOf(HELPER);
  if (random.once(8)) return { type: 'revoke', keyId: HELPER.publicKey.id, permissions: ['release'] };
  const content = random.once(15) ? NOT_WASM : wasmOf(`${name} ${random.below(4)}`);
  contents.set(digestOf(content), content);
  return releaseOf(version, content);
}
