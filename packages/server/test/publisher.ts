import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import {
  digestOf,
  encodeBase64,
  encodeRecordContents,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  recordIdOf,
  sha256,
  signBytes,
  timestampFromMs,
  utf8,
  wargApi,
  type Digest,
  type Envelope,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PrivateKey,
  type RecordId,
  type Timestamp,
} from '@waybill/protocol';
import { bodyOf, type Answer, type RunningRegistry, type Sent } from './running-registry.ts';

/** The same key for the same name, in every run. */
export function keyOf(name: string): PrivateKey {
  return privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail();
}

/** The smallest module with a custom section that holds `text`: other text, other digest. */
export function wasmOf(text: string): Uint8Array {
  const payload = [0, ...utf8(text)];
  assert.ok(payload.length < 0x80);
  return Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x00, payload.length, ...payload);
}

export function releaseOf(version: string, content: Uint8Array): PackageEntry {
  return { type: 'release', version: parseVersion(version), content: digestOf(content) };
}

/** The body of `POST /v1/package/{logId}/record`. */
export function publishBody(name: string, envelope: Envelope): Record<string, unknown> {
  const { contents, keyId, signature } = envelope;
  return { packageName: name, record: { contentBytes: encodeBase64(contents), keyId, signature } };
}

/** A record that may go against every rule: only signed, never judged. */
export interface LooseRecord {
  readonly id: RecordId;
  readonly envelope: Envelope;
}

/** Signs contents as they are. */
export async function signContents(contents: Uint8Array, key: PrivateKey): Promise<LooseRecord> {
  const signature = await signBytes('package-record', contents, key);
  const envelope = { contents, keyId: key.publicKey.id, signature: signature.text, cosignatures: [] };
  return { id: recordIdOf('package', contents), envelope };
}

/** Publishes one package over plain HTTP and keeps to nobody's rules but its own. */
export class Publisher {
  readonly registry: RunningRegistry;
  readonly name: PackageName;
  readonly key: PrivateKey;
  readonly logId: LogId;
  /** What the next record follows. */
  head: RecordId | null = null;

  constructor(registry: RunningRegistry, name: string, key: PrivateKey = keyOf(name)) {
    this.registry = registry;
    this.name = parsePackageName(name);
    this.key = key;
    this.logId = packageLogId(this.name);
  }

  get init(): PackageEntry {
    return { type: 'init', key: this.key.publicKey };
  }

  /** A record after `head`. Two packages never share one, for the name goes into the time. */
  record(
    entries: readonly PackageEntry[],
    time: Timestamp = this.now(),
    annotations: readonly Uint8Array[] = [],
  ): Promise<LooseRecord> {
    return signContents(encodeRecordContents(PACKAGE_LOG, { prev: this.head, time, entries, annotations }), this.key);
  }

  now(): Timestamp {
    const [a = 0, b = 0] = sha256(utf8(this.name));
    return timestampFromMs(Date.now(), a * 256 + b);
  }

  get recordPath(): string {
    return `v1/package/${this.logId}/record`;
  }

  contentPath(recordId: RecordId, digest: Digest): string {
    return `${this.recordPath}/${recordId}/content/${digest}`;
  }

  post(record: LooseRecord, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.registry.post(this.recordPath, { json: publishBody(this.name, record.envelope), headers });
  }

  status(recordId: RecordId): Promise<Answer> {
    return this.registry.get(`${this.recordPath}/${recordId}`);
  }

  /** The status once the commit is over. */
  async settled(recordId: RecordId): Promise<Answer> {
    const answer = await this.status(recordId);
    return isDeepStrictEqual(bodyOf(answer), { recordId, state: 'processing' }) ? this.settled(recordId) : answer;
  }

  upload(recordId: RecordId, content: Uint8Array, sent: Sent & { readonly digest?: Digest } = {}): Promise<Answer> {
    const { digest = digestOf(content), ...rest } = sent;
    return this.registry.post(this.contentPath(recordId, digest), { body: content, ...rest });
  }

  /** Publishes a record with its content; the answer to the post must be the right one. */
  async publish(entries: readonly PackageEntry[], contents: readonly Uint8Array[] = []): Promise<LooseRecord> {
    const record = await this.record(entries);
    const answer = await this.post(record);
    assert.equal(answer.status, 202, new TextDecoder().decode(answer.bytes));
    for (const content of contents) assert.equal((await this.upload(record.id, content)).status, 201);
    const status = wargApi.decodeRecordStatus((await this.status(record.id)).bytes);
    assert.equal(status.state, 'published');
    this.head = record.id;
    return record;
  }

  /** A started package with release 1.0.0. */
  async start(): Promise<LooseRecord> {
    const content = wasmOf(this.name);
    return this.publish([this.init, releaseOf('1.0.0', content)], [content]);
  }
}
