import {
  cosignContents,
  decodeBase64,
  decodeSignedRecord,
  decodeUnsignedRecord,
  encodeBase64,
  equalBytes,
  formatJosePrivateKey,
  GOVERNANCE_LOG,
  governanceLogId,
  isRegistryError,
  jointEnvelope,
  localSigner,
  messageOf,
  OPERATOR_LOG,
  PACKAGE_LOG,
  packageLogId,
  parseJosePublicKey,
  parseJson,
  parseNamespace,
  parsePackageName,
  parsePrivateKey,
  RegistryError,
  SIGNERS_MAX,
  signContents,
  verifyRecordSignatures,
  wargApi,
  type Envelope,
  type EnvelopeSignature,
  type GovernanceEntry,
  type JosePrivateKey,
  type JosePublicKey,
  type JsonValue,
  type LogDialect,
  type LogId,
  type Namespace,
  type OperatorEntry,
  type PackageEntry,
  type PackageName,
  type SignedRecord,
} from '@waybill/protocol';

/** What names the log that a record is for, by the kind of log. */
export interface CarriedLogs {
  readonly operator: null;
  /** `null` for the registry's own log. */
  readonly governance: Namespace | null;
  readonly package: PackageName;
}

export interface CarriedEntries {
  readonly operator: OperatorEntry;
  readonly governance: GovernanceEntry;
  readonly package: PackageEntry;
}

export type CarriedKind = keyof CarriedLogs;

/**
 * A record on its way to all who are to sign it, in whatever order. What it says stands: its contents name its signers before
 * anybody signs (spec/version1.md 3.1). One of the operator log is of version 0, and has whoever signs it as its one signer.
 */
export interface CarriedRecord<K extends CarriedKind = CarriedKind> {
  readonly kind: K;
  readonly log: CarriedLogs[K];
  readonly contents: Uint8Array;
  /** In ascending order of their ids; nobody in version 0. */
  readonly signers: readonly JosePublicKey[];
  readonly signatures: readonly EnvelopeSignature[];
}

interface Carriage<K extends CarriedKind> {
  readLog(text: string | null): CarriedLogs[K];
  /** `null` for the log whose records do not name it. */
  logId(log: CarriedLogs[K]): LogId | null;
  read(contents: Uint8Array): SignedRecord<CarriedEntries[K]>;
  sign(contents: Uint8Array, key: JosePrivateKey): Promise<EnvelopeSignature>;
  /** Throws `record/decode`, `record/signature`. */
  verify(envelope: Envelope, keys: readonly JosePublicKey[]): Promise<void>;
}

const CARRIAGES: { readonly [K in CarriedKind]: Carriage<K> } = {
  operator: {
    readLog: () => null,
    logId: () => null,
    read: (contents) => decodeUnsignedRecord(OPERATOR_LOG, contents),
    async sign(contents, key) {
      const { envelope } = await signContents(OPERATOR_LOG, contents, parsePrivateKey(formatJosePrivateKey(key)));
      return { keyId: envelope.keyId, signature: envelope.signature };
    },
    // Nothing but the log says what the key of an id is.
    verify: async (envelope) => void decodeSignedRecord(OPERATOR_LOG, envelope),
  },
  governance: {
    readLog: (text) => (text === null ? null : parseNamespace(text)),
    logId: governanceLogId,
    ...jointSteps(GOVERNANCE_LOG),
  },
  package: {
    readLog: (text) => parsePackageName(text ?? ''),
    logId: packageLogId,
    ...jointSteps(PACKAGE_LOG),
  },
};

function jointSteps<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B> & { readonly kind: 'package' | 'governance' },
): {
  read(contents: Uint8Array): SignedRecord<E>;
  sign(contents: Uint8Array, key: JosePrivateKey): Promise<EnvelopeSignature>;
  verify(envelope: Envelope, keys: readonly JosePublicKey[]): Promise<void>;
} {
  return {
    read: (contents) => decodeUnsignedRecord(dialect, contents),
    sign: (contents, key) => cosignContents(dialect, contents, localSigner(key)),
    async verify(envelope, keys) {
      const record = decodeSignedRecord(dialect, envelope);
      const owed = record.signatures.flatMap((signature) =>
        keys.flatMap((key) => ('jws' in signature && key.id === signature.keyId ? [{ key, jws: signature.jws }] : [])),
      );
      await verifyRecordSignatures(dialect, record, owed);
    },
  };
}

/** What a carried record says; its signatures are left out. */
export function readCarried<K extends CarriedKind>({
  kind,
  contents,
}: CarriedRecord<K>): SignedRecord<CarriedEntries[K]> {
  return CARRIAGES[kind].read(contents);
}

/** Those who have not signed yet; in version 0 nobody is known by name. */
export function missingSigners({ signers, signatures }: CarriedRecord): readonly JosePublicKey[] {
  return signers.filter(({ id }) => !signatures.some(({ keyId }) => keyId === id));
}

/** True when all who must have signed. */
export function isComplete(carried: CarriedRecord): boolean {
  return carried.signatures.length > 0 && missingSigners(carried).length === 0;
}

/** The envelope of the signatures that there are. */
export function envelopeOf({ contents, signatures }: CarriedRecord): Envelope {
  return jointEnvelope(contents, signatures);
}

/** The record with one signature more. Throws `usage/invalid` for a key that is not to sign it, or has. */
export async function signCarried<K extends CarriedKind>(
  carried: CarriedRecord<K>,
  key: JosePrivateKey,
): Promise<CarriedRecord<K>> {
  const { kind, contents, signers, signatures } = carried;
  const { id, algorithm } = key.publicKey;
  if (signatures.some(({ keyId }) => keyId === id) || (signers.length === 0 && signatures.length > 0)) {
    throw new RegistryError('usage/invalid', 'that key has signed already, or the one that was to sign has');
  }
  if (signers.length === 0 && algorithm !== 'ES256') {
    throw new RegistryError(
      'usage/invalid',
      `a key of ${algorithm} signs no record of an operator log: it takes ES256`,
    );
  }
  if (signers.length > 0 && !signers.some((signer) => signer.id === id)) {
    const message = `the key ${id} is not among those who are to sign: ${signers.map((signer) => signer.id).join(', ')}`;
    throw new RegistryError('usage/invalid', message);
  }
  return { ...carried, signatures: [...signatures, await CARRIAGES[kind].sign(contents, key)] };
}

/**
 * One record of several files of it, each signed by some. Throws `usage/invalid` where they are not of one record, or more have
 * signed than can.
 */
export function mergeCarried(first: CarriedRecord, others: readonly CarriedRecord[]): CarriedRecord {
  if (others.some(({ kind, contents }) => kind !== first.kind || !equalBytes(contents, first.contents))) {
    throw new RegistryError('usage/invalid', 'the files are not of one record: send them one by one');
  }
  const byKey = new Map([first, ...others].flatMap(({ signatures }) => signatures.map((one) => [one.keyId, one])));
  if (first.signers.length === 0 && byKey.size > 1) {
    const message = 'the files are signed by different keys, and a record of the operator log by one: send one of them';
    throw new RegistryError('usage/invalid', message);
  }
  return { ...first, signatures: [...byKey.values()] };
}

/** That each signature there is is by its signer. Throws `record/signature`, `record/decode`. */
export async function verifyCarried(carried: CarriedRecord): Promise<void> {
  if (carried.signatures.length === 0) return;
  await CARRIAGES[carried.kind].verify(envelopeOf(carried), carried.signers);
}

/** Contents at their limit in base64, and room for keys and signatures. */
export const CARRIED_BYTES_MAX = 4 * 1024 * 1024;
/** Shown by whatever does not know the file. */
const FORMAT = 'waybill record 1';

/** The text of a file with a carried record. */
export function formatCarried({ kind, log, contents, signers, signatures }: CarriedRecord): string {
  const body = {
    format: FORMAT,
    kind,
    log,
    contentBytes: encodeBase64(contents),
    signers: signers.map(({ text }) => text),
    signatures: signatures.map(({ keyId, signature }) => ({ keyId, signature })),
  };
  return `${JSON.stringify(body, null, 2)}\n`;
}

/**
 * Reads {@link formatCarried}'s text: decodes the contents, and holds against them what the file says of log and signers, so that
 * nobody signs for another log than the one he is shown. An envelope alone is read as a record of the operator log. Throws
 * `usage/invalid`.
 */
export function parseCarried(text: Uint8Array): CarriedRecord {
  try {
    if (text.length > CARRIED_BYTES_MAX) throw malformed(`it has more than ${CARRIED_BYTES_MAX} bytes`);
    const body = parseJson(text);
    const carried = isObject(body) && 'format' in body ? readFile(body) : operatorEnvelope(text);
    requireAgreement(carried);
    return carried;
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError('usage/invalid', `no record to be signed or sent: ${messageOf(cause)}`, {}, { cause });
  }
}

function readFile({ format, kind, log, contentBytes, signers, signatures, ...others }: JsonObject): CarriedRecord {
  const [other] = Object.keys(others);
  if (format !== FORMAT || other !== undefined) {
    throw malformed(other === undefined ? 'another version of waybill wrote it' : `it has a member ${other}`);
  }
  const known = KINDS.find((one) => one === kind);
  if (known === undefined) throw malformed('of no known kind of log');
  return carriedOf(known, log === null ? null : textOf(log), {
    contents: decodeBase64(textOf(contentBytes)),
    signers: listOf(signers).map((one) => parseJosePublicKey(textOf(one))),
    signatures: listOf(signatures).map(readSignature),
  });
}

const KINDS: readonly CarriedKind[] = ['operator', 'governance', 'package'];

type JsonObject = { readonly [name: string]: JsonValue };
type CarriedParts = Pick<CarriedRecord, 'contents' | 'signers' | 'signatures'>;

function carriedOf<K extends CarriedKind>(kind: K, log: string | null, parts: CarriedParts): CarriedRecord<K> {
  return { kind, log: CARRIAGES[kind].readLog(log), ...parts };
}

function readSignature(body: JsonValue): EnvelopeSignature {
  if (!isObject(body)) throw malformed('a signature is not an object');
  return { keyId: textOf(body['keyId']), signature: textOf(body['signature']) };
}

function operatorEnvelope(text: Uint8Array): CarriedRecord {
  const { contents, keyId, signature, cosignatures } = wargApi.decodeEnvelopeBody(text);
  if (cosignatures.length > 0) throw malformed('a record of an operator log has one signature');
  return {
    kind: 'operator',
    log: null,
    contents,
    signers: [],
    signatures: signature === '' ? [] : [{ keyId, signature }],
  };
}

function requireAgreement(carried: CarriedRecord): void {
  const { kind, signers, signatures } = carried;
  const { binding } = readCarried(carried);
  const logId = logIdOf(carried);
  if ((binding?.log ?? null) !== logId) throw malformed('its contents are for another log than the one it names');
  const named = binding?.signers ?? [];
  if (signers.length !== named.length || signers.some(({ id }, i) => id !== named[i])) {
    throw malformed('its contents name other signers than it has the keys of');
  }
  const ids = signatures.map(({ keyId }) => keyId);
  const isForeign = kind !== 'operator' && ids.some((id) => !named.includes(id));
  if (isForeign || new Set(ids).size < ids.length || (kind === 'operator' && ids.length > 1)) {
    throw malformed('it has signatures that the record cannot have');
  }
}

function logIdOf<K extends CarriedKind>({ kind, log }: CarriedRecord<K>): LogId | null {
  return CARRIAGES[kind].logId(log);
}

function isObject(body: JsonValue | undefined): body is { [name: string]: JsonValue } {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

function listOf(body: JsonValue | undefined): readonly JsonValue[] {
  if (!Array.isArray(body)) throw malformed('a list is missing');
  // Each key that is looked at costs as much as a signature.
  if (body.length > SIGNERS_MAX) throw malformed(`more than ${SIGNERS_MAX} signers`);
  return body;
}

function textOf(body: JsonValue | undefined): string {
  if (typeof body === 'string') return body;
  throw malformed('a text is missing');
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', why);
}
