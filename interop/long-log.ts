import { readFileSync } from 'node:fs';
import { RegistryApi, Transport } from '@waybill/client';
import {
  digestOf,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  signRecord,
  timestampFromMs,
  type AnyHash,
  type LogId,
  type PackageEntry,
  type PrivateKey,
  type RecordId,
} from '@waybill/protocol';

const POLL_MS = 5;

/** Releases one file as `0.0.0`, `1.0.0`…, each in a record of its own, over plain HTTP. */
export async function publishLongLog(url: URL, key: PrivateKey, log: { readonly name: string; readonly records: number; readonly file: string }): Promise<void> {
  const api = new RegistryApi(new Transport(url, fetch));
  const name = parsePackageName(log.name);
  const bytes = Uint8Array.from(readFileSync(log.file));
  const content = digestOf(bytes);
  let prev: AnyHash | null = null;
  for (let number = 0; number < log.records; number++) {
    const release: PackageEntry = { type: 'release', version: parseVersion(`${number}.0.0`), content };
    const entries: PackageEntry[] = number === 0 ? [{ type: 'init', key: key.publicKey }, release] : [release];
    const { id, envelope }: Awaited<ReturnType<typeof signPackageRecord>> = await signPackageRecord(prev, entries, key);
    const status = await api.publish(packageLogId(name), name, envelope, false);
    if (status.state === 'sourcing') {
      for (const endpoints of status.missingContent.values()) {
        for (const endpoint of endpoints.slice(0, 1)) await api.upload(endpoint, bytes);
      }
    }
    await untilPublished(api, packageLogId(name), id);
    prev = id;
  }
}

function signPackageRecord(prev: AnyHash | null, entries: readonly PackageEntry[], key: PrivateKey) {
  return signRecord(PACKAGE_LOG, { prev, time: timestampFromMs(Date.now()), entries }, key);
}

async function untilPublished(api: RegistryApi, logId: LogId, id: RecordId): Promise<void> {
  while ((await api.recordStatus(logId, id)).state !== 'published') {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
