import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { encodeBase64, encodeBase64url } from '../../src/bytes/base64.ts';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { decodeHex } from '../../src/bytes/hex.ts';
import { ProtoWriter } from '../../src/bytes/protobuf.ts';
import { parseJosePrivateKey } from '../../src/jose/private-key.ts';
import { localSigner, type Signer } from '../../src/jose/signer.ts';
import { digestBytes, digestOf } from '../../src/names/digest.ts';
import { parsePrivateKey, signBytes } from '../../src/names/key.ts';
import { namespaceLogId, packageLogId, recordIdOf, REGISTRY_LOG_ID, type LogId } from '../../src/names/log-id.ts';
import { parseNamespace, parsePackageName } from '../../src/names/package-name.ts';
import { encodeEnvelope } from '../../src/wire/envelope.ts';
import type { SignedCase } from './verdict.ts';

const VECTORS = new URL('../../../../../vectors/', import.meta.url);
const PACKAGE = 'test:package';
const REGISTRY = 'registry';
const ORIGIN = 'registry.example';

/** What a case says of a holder: names of keys.json, or a text that is no key's name. */
interface HolderCase {
  readonly keys: readonly string[];
  readonly threshold?: number;
  /** As the keys stand here, and not in the order of their ids. */
  readonly asGiven?: boolean;
}

interface PredicatesCase {
  readonly versionMin?: string;
  readonly versionMax?: string;
  readonly notAfter?: number;
  readonly mediaTypes?: readonly string[];
  readonly sizeMax?: number;
  readonly annotationTypes?: readonly string[];
}

interface PolicyCase {
  readonly start?: number;
  readonly keys?: readonly string[];
  readonly asGiven?: boolean;
  readonly gateway?: number;
  readonly interfaceSteps?: number;
  /** Bytes after these, in hex. */
  readonly extra?: string;
}

/** An entry, said by the member that is there. A grant is named by its record's and entry's place: `0/1`. */
export interface EntryCase {
  readonly under?: string;
  readonly root?: HolderCase;
  readonly transfer?: HolderCase;
  readonly grant?: HolderCase;
  readonly permissions?: readonly string[];
  readonly predicates?: PredicatesCase;
  readonly revoke?: string;
  readonly release?: string;
  readonly mediaType?: string;
  readonly size?: number | string;
  readonly yank?: string;
  readonly restore?: string;
  readonly reason?: string;
  /** Of a governance log. What is taken down is named by a text, or by `raw:` and the digest as it stands there. */
  readonly policy?: PolicyCase;
  readonly takedown?: string;
  readonly code?: string;
  readonly reinstate?: string;
  /** The successor. */
  readonly abandon?: string;
  /** Of version 0. */
  readonly init?: string;
  readonly grant0?: string;
  readonly revoke0?: string;
  /** Bytes besides, in hex. */
  readonly extra?: string;
}

/** One signature as it stands in the envelope; what is left out is as it should be. */
interface SignatureCase {
  /** Whose key id the envelope has. */
  readonly as: string;
  /** Who signed. */
  readonly by?: string;
  readonly typ?: string;
  /** The protected header, to the letter; `{kid}` in it is the signer's key id, and `{jwk}` some JSON. */
  readonly header?: string;
  /** The text itself. */
  readonly text?: string;
  readonly form?: 'warg' | 'no prefix' | 'attached' | 'json' | 'padded' | 'other bytes';
}

export interface RecordCase {
  readonly version?: number;
  readonly signers: readonly string[];
  /** As they stand here, and not in the order of their key ids. */
  readonly asGiven?: boolean;
  readonly time?: number;
  readonly prev?: string;
  /** The name of another package or namespace, `registry`, or bytes in hex after `hex:`. */
  readonly log?: string;
  readonly origin?: string;
  readonly entries: readonly EntryCase[];
  /** In hex. */
  readonly annotations?: readonly string[];
  readonly signatures?: readonly SignatureCase[];
  /** Bytes after the contents, in hex. */
  readonly extra?: string;
}

export interface LogCase {
  readonly name: string;
  readonly clause: string;
  readonly records: readonly RecordCase[];
  readonly expect: string;
  /** Of `record/unauthorized`. */
  readonly reason?: string;
}

export function readCases(kind: string): readonly LogCase[] {
  return JSON.parse(readFileSync(new URL(`version1/${kind}.json`, VECTORS), 'utf8'));
}

/** The last record of a case is the one in question. */
export function expectedOf({ records, expect, reason }: LogCase): string {
  return expect === 'ok' ? 'ok' : [records.length - 1, expect, ...(reason === undefined ? [] : [reason])].join(' ');
}

const KEY_TEXTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL('version1/keys.json', VECTORS), 'utf8'),
);
const SIGNERS = new Map<string, Signer>();

function signerOf(name: string): Signer {
  const known = SIGNERS.get(name) ?? localSigner(parseJosePrivateKey(KEY_TEXTS[name] ?? assert.fail(`no key ${name}`)));
  SIGNERS.set(name, known);
  return known;
}

/** Which log a name stands for: a package's, a namespace's, or the registry's. */
function logIdOf(name: string): LogId {
  if (name === REGISTRY) return REGISTRY_LOG_ID;
  return name.includes(':') ? packageLogId(parsePackageName(name)) : namespaceLogId(parseNamespace(name));
}

/** Writes and signs the records of a case; each follows the one before it. */
export async function signCase(records: readonly RecordCase[], log = PACKAGE): Promise<SignedCase> {
  const kind = log.includes(':') ? 'package' : 'governance';
  const ids: string[] = [];
  const envelopes: string[] = [];
  for (const record of records) {
    const contents = encodeContents({ log, ...record }, ids);
    ids.push(recordIdOf(kind, contents));
    const [first, ...cosignatures] = await Promise.all(
      signaturesOf(record).map(async (one) => ({
        keyId: keyIdOf(one.as),
        signature: await signatureText({ typ: `vnd.waybill.${kind}-record`, ...one }, contents),
      })),
    );
    const signed = first ?? { keyId: '', signature: '' };
    envelopes.push(encodeBase64(encodeEnvelope({ contents, ...signed, cosignatures })));
  }
  return { kind, log: logIdOf(log), origin: ORIGIN, envelopes };
}

function signaturesOf(record: RecordCase): readonly SignatureCase[] {
  if (record.signatures !== undefined) return record.signatures;
  const form = record.version === 0 ? { form: 'warg' as const } : {};
  return signersOf(record).map((as) => ({ as, ...form }));
}

function signersOf({ signers, asGiven = false }: RecordCase): readonly string[] {
  return asGiven ? signers : byKeyId(signers);
}

function byKeyId(names: readonly string[]): string[] {
  return names.toSorted((a, b) => (keyIdOf(a) < keyIdOf(b) ? -1 : 1));
}

function keyIdOf(name: string): string {
  return KEY_TEXTS[name] === undefined ? name : signerOf(name).publicKey.id;
}

/** The text of a private key of version 0. */
export function privateKeyText(name: string): string {
  return KEY_TEXTS[name] ?? assert.fail(`no key ${name}`);
}

function keyTextOf(name: string): string {
  return KEY_TEXTS[name] === undefined ? name : signerOf(name).publicKey.text;
}

async function signatureText(one: SignatureCase & { readonly typ: string }, contents: Uint8Array): Promise<string> {
  if (one.text !== undefined) return one.text;
  const name = one.by ?? one.as;
  if (one.form === 'warg') {
    return (await signBytes('package-record', contents, parsePrivateKey(KEY_TEXTS[name] ?? ''))).text;
  }
  const signer = signerOf(name);
  const { algorithm, id } = signer.publicKey;
  const said = one.header ?? `{"alg":"${algorithm}","kid":"{kid}","typ":"${one.typ}"}`;
  const header = encodeBase64url(utf8(said.replaceAll('{kid}', id).replaceAll('{jwk}', '{"kty":"EC","crv":"P-256"}')));
  const payload = encodeBase64url(one.form === 'other bytes' ? utf8('other bytes') : contents);
  const signature = encodeBase64url(await signer.sign(utf8(`${header}.${payload}`)));
  const detached = `${header}..${signature}`;
  const forms: Readonly<Record<string, string>> = {
    'no prefix': detached,
    attached: `jws:${header}.${payload}.${signature}`,
    json: `jws:${JSON.stringify({ protected: header, signature })}`,
    padded: `jws:${detached}==`,
  };
  return forms[one.form ?? ''] ?? `jws:${detached}`;
}

function encodeContents(record: RecordCase, ids: readonly string[]): Uint8Array {
  const { version = 1, time = 1_700_000_000, log = PACKAGE, origin = ORIGIN, annotations = [] } = record;
  const writer = new ProtoWriter();
  const prev = record.prev === 'other' ? digestOf(utf8('another record')) : (record.prev ?? ids.at(-1));
  if (prev !== undefined && prev !== 'none') writer.string(1, prev);
  writer.varint(2, version).message(3, new ProtoWriter().varint(1, time).finish());
  for (const entry of record.entries) writer.message(4, encodeEntry(entry, version, ids));
  for (const annotation of annotations) writer.message(16, decodeHex(annotation));
  if (version === 1) {
    const logBytes = log.startsWith('hex:') ? decodeHex(log.slice('hex:'.length)) : digestBytes(logIdOf(log));
    writer.bytes(17, logBytes).string(18, origin).strings(19, signersOf(record).map(keyIdOf));
  }
  return concatBytes(writer.finish(), decodeHex(record.extra ?? ''));
}

const PERMISSIONS_0: readonly string[] = ['release', 'yank'];

function encodeEntry(entry: EntryCase, version: number, ids: readonly string[]): Uint8Array {
  const [number, body] = version === 0 ? encodeBody0(entry) : (encodeGovernance(entry) ?? encodeBody(entry, ids));
  const under = grantIdOf(entry.under ?? '', ids);
  const inner = concatBytes(body.finish(), decodeHex(entry.policy?.extra ?? ''));
  const bytes = new ProtoWriter().message(number, inner).string(31, under).finish();
  return concatBytes(bytes, decodeHex(entry.extra ?? ''));
}

type Body = [member: number, body: ProtoWriter];

/** Entries of governance logs alone; `null` for another. */
function encodeGovernance({ policy, takedown, code = '', reinstate, abandon, reason = '' }: EntryCase): Body | null {
  const inner = new ProtoWriter();
  if (takedown !== undefined) {
    return [25, inner.string(1, contentDigest(takedown)).string(2, code).string(16, reason)];
  }
  if (reinstate !== undefined) return [26, inner.string(1, contentDigest(reinstate)).string(16, reason)];
  if (abandon !== undefined) return [27, inner.string(1, abandon).string(16, reason)];
  if (policy === undefined) return null;
  const { start = 2, keys = [], asGiven = false, gateway = 1, interfaceSteps = 0 } = policy;
  const texts = (asGiven ? keys : byKeyId(keys)).map(keyTextOf);
  return [24, inner.varint(1, start).strings(2, texts).varint(3, gateway).varint(4, interfaceSteps)];
}

function contentDigest(text: string): string {
  return text.startsWith('raw:') ? text.slice('raw:'.length) : digestOf(utf8(text));
}

function encodeBody0({ init, grant0, revoke0, permissions = [], release, yank = '' }: EntryCase): Body {
  const inner = new ProtoWriter();
  const numbers = permissions.map((permission) => PERMISSIONS_0.indexOf(permission) + 1);
  if (init !== undefined) return [1, inner.string(1, keyTextOf(init)).string(2, 'sha256')];
  if (grant0 !== undefined) return [2, inner.string(1, keyTextOf(grant0)).packed(2, numbers)];
  if (revoke0 !== undefined) return [3, inner.string(1, keyIdOf(revoke0)).packed(2, numbers)];
  if (release !== undefined) return [4, inner.string(1, release).string(2, digestOf(utf8(release)))];
  return [5, inner.string(1, yank)];
}

function encodeBody(entry: EntryCase, ids: readonly string[]): Body {
  const { root, transfer, grant, revoke, release, yank, restore, reason = '' } = entry;
  const inner = new ProtoWriter();
  if (root !== undefined) return [16, holderBody(root)];
  if (transfer !== undefined) return [19, holderBody(transfer)];
  if (grant !== undefined) return [17, grantBody(grant, entry)];
  if (revoke !== undefined) return [18, inner.string(1, grantIdOf(revoke, ids)).string(16, reason)];
  if (release !== undefined) {
    const { mediaType = '', size = 0 } = entry;
    return [
      4,
      inner
        .string(1, release)
        .string(2, digestOf(utf8(release)))
        .string(16, mediaType)
        .varint(17, BigInt(size)),
    ];
  }
  if (restore !== undefined) return [20, inner.string(1, restore).string(16, reason)];
  // In version 1 there is no init: what a case says of one is written as version 0 would.
  if (yank === undefined) return encodeBody0(entry);
  return [5, inner.string(1, yank).string(16, reason)];
}

function holderBody({ keys, threshold = 0, asGiven = false }: HolderCase): ProtoWriter {
  return new ProtoWriter().strings(1, (asGiven ? keys : byKeyId(keys)).map(keyTextOf)).varint(2, threshold);
}

function grantBody(holder: HolderCase, { permissions = [], predicates }: EntryCase): ProtoWriter {
  const body = new ProtoWriter().message(1, holderBody(holder).finish()).strings(2, permissions);
  if (predicates === undefined) return body;
  const {
    versionMin = '',
    versionMax = '',
    notAfter = 0,
    mediaTypes = [],
    sizeMax = 0,
    annotationTypes = [],
  } = predicates;
  const said = new ProtoWriter()
    .string(1, versionMin)
    .string(2, versionMax)
    .varint(3, notAfter)
    .strings(4, mediaTypes)
    .varint(5, sizeMax)
    .strings(6, annotationTypes);
  return body.message(3, said.finish());
}

function grantIdOf(text: string, ids: readonly string[]): string {
  const [, record, rest] = /^(\d+)(\/.*)$/.exec(text) ?? [];
  return record === undefined ? text : `${ids[Number(record)] ?? digestOf(utf8(record))}${rest}`;
}
