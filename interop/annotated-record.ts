import { readFileSync } from 'node:fs';
import {
  digestOf,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseRecordId,
  parseVersion,
  signRecord,
  timestampFromMs,
  utf8,
  wargApi,
  type PackageEntry,
  type PrivateKey,
  type PublicKey,
  type RecordId,
} from '@waybill/protocol';

/** What one record of version 0 says, besides its annotations. */
export interface AnnotatedRecord {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  /** Who may release from then on. */
  readonly grantTo: PublicKey | null;
}

/** A type is all that an annotation must have. */
const ANNOTATIONS = ['x.one', 'x.two'].map((type) => Uint8Array.of(0x0a, type.length, ...utf8(type)));

/** Releases a file in a record with annotations, in field 16 (spec/version1.md 2.1); the first starts the log. */
export async function publishAnnotated(url: URL, key: PrivateKey, record: AnnotatedRecord): Promise<void> {
  const name = parsePackageName(record.name);
  const bytes = Uint8Array.from(readFileSync(record.file));
  const content = digestOf(bytes);
  const prev = await headOf(url, record.name);
  const entries: PackageEntry[] = prev === null ? [{ type: 'init', key: key.publicKey }] : [];
  if (record.grantTo !== null) entries.push({ type: 'grant', key: record.grantTo, permissions: ['release'] });
  entries.push({ type: 'release', version: parseVersion(record.version), content });
  const draft = { prev, time: timestampFromMs(Date.now()), entries, annotations: ANNOTATIONS };
  const { id, envelope } = await signRecord(PACKAGE_LOG, draft, key);
  const route = new URL(`v1/package/${packageLogId(name)}/record`, url);
  const status = wargApi.decodeRecordStatus(await postJson(route, wargApi.publishBody(name, envelope)));
  if (status.state === 'sourcing') await post(`${route.href}/${id}/content/${content}`, { body: bytes });
}

async function headOf(url: URL, name: string): Promise<RecordId | null> {
  const log = packageLogId(parsePackageName(name));
  const checkpoint = await expectOk(new URL('v1/fetch/checkpoint', url), {});
  const { logLength } = wargApi.decodeSignedCheckpoint(checkpoint).contents;
  const response = await fetch(new URL('v1/fetch/logs', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ logLength, packages: { [log]: null } }),
  });
  if (response.status === 404) return null;
  const { packages } = wargApi.decodeFetchLogsResponse(new Uint8Array(await response.arrayBuffer()));
  const last = packages.get(log)?.at(-1);
  return last === undefined ? null : parseRecordId(last.fetchToken);
}

function postJson(url: URL, body: unknown): Promise<Uint8Array> {
  return post(url, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
}

function post(url: URL | string, init: RequestInit): Promise<Uint8Array> {
  return expectOk(url, { method: 'POST', ...init });
}

async function expectOk(url: URL | string, init: RequestInit): Promise<Uint8Array> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return new Uint8Array(await response.arrayBuffer());
}
