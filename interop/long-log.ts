import { readFileSync } from 'node:fs';
import {
  digestOf,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  signRecord,
  timestampFromMs,
  wargApi,
  type AnyHash,
  type PackageEntry,
  type PrivateKey,
  type SignedRecord,
} from '@waybill/protocol';

const POLL_MS = 5;

/** What to release, how often. */
interface LongLog {
  readonly name: string;
  readonly records: number;
  readonly file: string;
}

/** Releases one file as `0.0.0`, `1.0.0`…, each in a record of its own, over plain HTTP. */
export async function publishLongLog(url: URL, key: PrivateKey, log: LongLog): Promise<void> {
  const name = parsePackageName(log.name);
  const route = new URL(`v1/package/${packageLogId(name)}/record`, url);
  const bytes = Uint8Array.from(readFileSync(log.file));
  const content = digestOf(bytes);
  let prev: AnyHash | null = null;
  for (let number = 0; number < log.records; number++) {
    const release: PackageEntry = { type: 'release', version: parseVersion(`${number}.0.0`), content };
    const entries: PackageEntry[] = number === 0 ? [{ type: 'init', key: key.publicKey }, release] : [release];
    const { id, envelope }: SignedRecord<PackageEntry> = await signOn(prev, entries, key);
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify(wargApi.publishBody(name, envelope));
    let status = await call(route, { method: 'POST', body, headers: json });
    if (status.state === 'sourcing')
      await expectOk(`${route.href}/${id}/content/${content}`, { method: 'POST', body: bytes });
    while (status.state !== 'published') {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      status = await call(`${route.href}/${id}`, {});
    }
    prev = id;
  }
}

function signOn(
  prev: AnyHash | null,
  entries: readonly PackageEntry[],
  key: PrivateKey,
): Promise<SignedRecord<PackageEntry>> {
  return signRecord(PACKAGE_LOG, { prev, time: timestampFromMs(Date.now()), entries }, key);
}

async function call(url: string | URL, init: RequestInit): Promise<wargApi.RecordStatus> {
  const response = await expectOk(url, init);
  return wargApi.decodeRecordStatus(new Uint8Array(await response.arrayBuffer()));
}

async function expectOk(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response;
}
