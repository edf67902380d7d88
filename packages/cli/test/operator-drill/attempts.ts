import assert from 'node:assert/strict';
import {
  digestOf,
  encodeBase64url,
  encodeRecordContents,
  formatPrivateKey,
  holderOfKey,
  localSigner,
  NO_PREDICATES,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  packageLogId,
  parseGrantId,
  parseJosePrivateKey,
  parseJosePublicKey,
  parseNamespace,
  parsePublicKey,
  parseVersion,
  signRecord,
  timestampFromMs,
  utf8,
  type Envelope,
  type ErrorCode,
  type ErrorDetail,
  type GrantId,
  type Holder,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PrivateKey,
  type RecordDraft,
} from '@waybill/protocol';
import { idOf, logOf, type History, type HistoryRecord } from '../registry-history.ts';
import { COPY, NEW, OLD, ORIGIN, OTHER, type StolenRegistry } from './stolen-registry.ts';

/** What is made of a registry with all keys of its operator, and what gives it away. */
export interface Attempt {
  readonly title: string;
  /** What the client asks for. */
  readonly wanted: PackageName;
  readonly forge: (stolen: StolenRegistry) => History | Promise<History>;
  /** The code of the client's error, and what its detail must say. */
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;
  /** How the honest server answers where the records that are new are posted; `null` where none are. */
  readonly status: number | null;
}

interface Act {
  readonly title: string;
  readonly on: PackageName;
  readonly entry: (stolen: StolenRegistry) => PackageEntry;
  /** The keys that could do it, as texts. */
  readonly rightful: (stolen: StolenRegistry) => readonly string[];
  /** What a client's refusal says of an operator who signs in his own name, and the status where he posts it. */
  readonly detail: ErrorDetail;
  readonly status: number;
}

/** How many records {@link stealRegistry} leaves in the logs of the two packages. */
const OLD_RECORDS = 4;
const NEW_RECORDS = 5;
/** Where release 1.1.0 of each stands. */
const OLD_SECOND = 2;
const NEW_SECOND = 3;
/** Where the upgrade and the grant of the other one stand. */
const NEW_UPGRADE = 1;
const NEW_GRANT = 2;

const VERSION = parseVersion('6.6.6');
const FIRST = parseVersion('1.0.0');
const CONTENT = digestOf(utf8('of the operator'));
/** The root is the author's, and so is each grant that the operator was not given. */
const NOT_HOLDER = { reason: 'holder' };

/** The server looks for the key first, and a record that gives something to it tells it the key. */
const UNKNOWN_KEY = 401;
const NAMES_OPERATOR = 422;

const author: Act['rightful'] = ({ authorKey }) => [authorKey];

const ACTS: readonly Act[] = [
  {
    title: 'release (version 0)',
    on: OLD,
    entry: () => ({ type: 'release', version: VERSION, content: CONTENT }),
    rightful: author,
    detail: { permission: 'release' },
    status: UNKNOWN_KEY,
  },
  {
    title: 'yank (version 0)',
    on: OLD,
    entry: () => ({ type: 'yank', version: FIRST }),
    rightful: author,
    detail: { permission: 'yank' },
    status: UNKNOWN_KEY,
  },
  {
    title: 'grant (version 0)',
    on: OLD,
    entry: ({ operatorKey }) => ({ type: 'grant', key: operatorKey.publicKey, permissions: ['release', 'yank'] }),
    rightful: author,
    detail: { permission: 'release' },
    status: UNKNOWN_KEY,
  },
  {
    title: 'revoke (version 0)',
    on: OLD,
    entry: ({ authorKey }) => ({ type: 'revoke', keyId: parsePublicKey(authorKey).id, permissions: ['release'] }),
    rightful: author,
    detail: { permission: 'release' },
    status: UNKNOWN_KEY,
  },
  {
    title: 'release (version 1)',
    on: NEW,
    entry: () => ({ type: 'release', version: VERSION, content: CONTENT }),
    rightful: author,
    detail: NOT_HOLDER,
    status: UNKNOWN_KEY,
  },
  {
    title: "release under a member's grant (version 1)",
    on: NEW,
    entry: ({ history }) => ({ type: 'release', version: VERSION, content: CONTENT, under: memberGrant(history) }),
    rightful: ({ memberKey }) => [memberKey],
    detail: NOT_HOLDER,
    status: UNKNOWN_KEY,
  },
  {
    title: 'yank (version 1)',
    on: NEW,
    entry: () => ({ type: 'yank', version: FIRST }),
    rightful: author,
    detail: NOT_HOLDER,
    status: UNKNOWN_KEY,
  },
  {
    title: 'restore (version 1)',
    on: NEW,
    entry: () => ({ type: 'restore', version: parseVersion('1.1.0') }),
    rightful: author,
    detail: NOT_HOLDER,
    status: UNKNOWN_KEY,
  },
  {
    title: 'grant (version 1)',
    on: NEW,
    entry: (stolen) => ({
      type: 'delegate',
      holder: operatorAsHolder(stolen),
      permissions: ['grant', 'release'],
      predicates: NO_PREDICATES,
    }),
    rightful: author,
    detail: NOT_HOLDER,
    status: NAMES_OPERATOR,
  },
  {
    title: 'revoke (version 1)',
    on: NEW,
    entry: ({ history }) => ({ type: 'revokeGrant', grant: memberGrant(history) }),
    rightful: author,
    detail: NOT_HOLDER,
    status: UNKNOWN_KEY,
  },
  {
    title: 'transfer (version 1)',
    on: NEW,
    entry: (stolen) => ({ type: 'transfer', holder: operatorAsHolder(stolen) }),
    rightful: ({ authorKey, operatorKey }) => [authorKey, operatorKey.publicKey.text],
    detail: NOT_HOLDER,
    status: NAMES_OPERATOR,
  },
];

/** Each act in the operator's own name, and under the ids of keys that he does not have. */
const SIGNED_BY_OPERATOR: readonly Attempt[] = ACTS.flatMap(({ title, on, entry, rightful, detail, status }) => {
  const forgeAs =
    (signers: Act['rightful']): Attempt['forge'] =>
    async (stolen) => [...stolen.history, await signedByOperator(stolen, on, entry(stolen), signers(stolen))];
  const recordIndex = on === OLD ? OLD_RECORDS : NEW_RECORDS;
  return [
    {
      title: `${title} in the operator's name`,
      wanted: on,
      forge: forgeAs(({ operatorKey }) => [operatorKey.publicKey.text]),
      code: 'log/invalid',
      detail: { ...detail, rule: 'record/unauthorized', recordIndex },
      status,
    },
    {
      title: `${title} under the id of a key that may`,
      wanted: on,
      forge: forgeAs(rightful),
      code: 'log/invalid',
      detail: { rule: 'record/signature', recordIndex },
      status: 401,
    },
  ];
});

/** What is left to somebody who can sign nothing: other places and other bytes for what the author has signed. */
const REARRANGED: readonly Attempt[] = [
  {
    title: 'two records of version 0 swapped',
    wanted: OLD,
    forge: ({ history }) => swapped(history, OLD, [OLD_SECOND, OLD_SECOND + 1]),
    code: 'log/invalid',
    detail: { rule: 'record/prev-mismatch', recordIndex: OLD_SECOND },
    status: null,
  },
  {
    title: 'two records of version 1 swapped',
    wanted: NEW,
    forge: ({ history }) => swapped(history, NEW, [NEW_GRANT, NEW_SECOND]),
    code: 'log/invalid',
    detail: { rule: 'record/prev-mismatch', recordIndex: NEW_GRANT },
    status: null,
  },
  {
    title: 'a record of version 0 rewritten under its key id and signature',
    wanted: OLD,
    forge: ({ history }) => rewritten(history, OLD, OLD_SECOND),
    code: 'log/invalid',
    detail: { rule: 'record/signature', recordIndex: OLD_SECOND },
    status: 401,
  },
  {
    title: 'a record of version 1 rewritten under its key id and signature',
    wanted: NEW,
    forge: ({ history }) => rewritten(history, NEW, NEW_SECOND),
    code: 'log/invalid',
    detail: { rule: 'record/signature', recordIndex: NEW_SECOND },
    status: 401,
  },
  {
    title: 'a record taken out from between others',
    wanted: OLD,
    forge: ({ history }) => history.filter((record) => record !== logOf(history, OLD)[OLD_SECOND]),
    code: 'log/invalid',
    detail: { rule: 'record/prev-mismatch', recordIndex: OLD_SECOND },
    status: null,
  },
  {
    title: "a record of the author's other package put behind a log",
    wanted: OLD,
    forge: ({ history }) => carried(history, { from: logOf(history, OTHER).slice(-1), to: OLD }),
    code: 'log/invalid',
    detail: { rule: 'record/prev-mismatch', recordIndex: OLD_RECORDS },
    status: 409,
  },
  {
    title: 'a log with records of version 1 under another name',
    wanted: COPY,
    forge: ({ history }) => carried(history, { from: logOf(history, NEW), to: COPY }),
    code: 'log/invalid',
    detail: { rule: 'record/log', log: packageLogId(NEW), recordIndex: NEW_UPGRADE },
    status: null,
  },
];

/** What each client can tell that meets the registry for the first time. */
export const ATTEMPTS: readonly Attempt[] = [...SIGNED_BY_OPERATOR, ...REARRANGED];

/** Histories that obey every rule: only whoever has seen the other one can tell. */
export const OTHER_HISTORIES: readonly Attempt[] = [
  {
    title: 'the tail dropped, and with it a yank',
    wanted: OLD,
    forge: ({ history }) => history.slice(0, -1),
    code: 'checkpoint/rollback',
    detail: {},
    status: null,
  },
  {
    title: 'another record in the place of the last',
    wanted: OLD,
    forge: (stolen) => forked(stolen, ['one']),
    code: 'checkpoint/fork',
    detail: {},
    status: null,
  },
  {
    title: 'a longer history that leaves the last record out',
    wanted: OLD,
    forge: (stolen) => forked(stolen, ['one', 'two']),
    code: 'checkpoint/fork',
    detail: {},
    status: null,
  },
];

/** Moved, not copied: a store has each record once. */
export function carried(history: History, { from, to }: { readonly from: History; readonly to: PackageName }): History {
  const logId = packageLogId(to);
  return [
    ...history.filter((record) => !from.includes(record)),
    ...from.map((record) => ({ ...record, logId, name: to })),
  ];
}

function swapped(history: History, name: PackageName, [a, b]: readonly [number, number]): History {
  const log = logOf(history, name);
  const [one, other] = [log[a] ?? assert.fail(), log[b] ?? assert.fail()];
  return history.map((record) => (record === one ? other : record === other ? one : record));
}

/** The release gets another version: as many bytes, so that everything else stays. */
function rewritten(history: History, name: PackageName, place: number): History {
  const victim = logOf(history, name)[place] ?? assert.fail();
  const text = Buffer.from(victim.envelope.contents).toString('latin1').replace('1.1.0', VERSION);
  const contents = new Uint8Array(Buffer.from(text, 'latin1'));
  assert.notDeepEqual(contents, victim.envelope.contents);
  return history.map((record) =>
    record === victim ? { ...record, envelope: { ...record.envelope, contents } } : record,
  );
}

/** The operator may write his own log as he likes. */
async function forked({ history, operatorKey }: StolenRegistry, namespaces: readonly string[]): Promise<History> {
  const forgedHistory = history.slice(0, -1);
  let head = history.findLast(({ name }) => name === null) ?? assert.fail();
  for (const namespace of namespaces) {
    const entries = [{ type: 'defineNamespace', namespace: parseNamespace(namespace) }] as const;
    const draft = { prev: idOf(head), time: timestampFromMs(Date.now()), entries };
    head = {
      logId: OPERATOR_LOG_ID,
      name: null,
      envelope: (await signRecord(OPERATOR_LOG, draft, operatorKey)).envelope,
    };
    forgedHistory.push(head);
  }
  return forgedHistory;
}

/** The next record of a package, with the operator's signature under the ids of keys that are named. */
async function signedByOperator(
  { history, operatorKey }: StolenRegistry,
  name: PackageName,
  entry: PackageEntry,
  signerKeys: readonly string[],
): Promise<HistoryRecord> {
  const logId = packageLogId(name);
  const head = logOf(history, name).at(-1) ?? assert.fail();
  const draft = { prev: idOf(head), time: timestampFromMs(Date.now()), entries: [entry] };
  if (name === NEW)
    return { logId, name, envelope: await signedJoseByOperator(operatorKey, { ...draft, logId }, signerKeys) };
  const [signerKey = assert.fail()] = signerKeys;
  const key = { ...operatorKey, publicKey: parsePublicKey(signerKey) };
  return { logId, name, envelope: (await signRecord(PACKAGE_LOG, draft, key)).envelope };
}

/** By hand, for no signer of ours gives a signature under the id of another key. */
async function signedJoseByOperator(
  operatorKey: PrivateKey,
  { logId, ...draft }: RecordDraft<PackageEntry> & { readonly logId: LogId },
  signerKeys: readonly string[],
): Promise<Envelope> {
  const operator = localSigner(parseJosePrivateKey(formatPrivateKey(operatorKey)));
  const signers = signerKeys.map((text) => parseJosePublicKey(text).id).toSorted();
  const contents = encodeRecordContents(PACKAGE_LOG, { ...draft, binding: { log: logId, origin: ORIGIN, signers } });
  const signed = signers.map(async (keyId) => {
    const header = JSON.stringify({ alg: 'ES256', kid: keyId, typ: 'vnd.waybill.package-record' });
    const protectedHeader = encodeBase64url(utf8(header));
    const signature = await operator.sign(utf8(`${protectedHeader}.${encodeBase64url(contents)}`));
    return { keyId, signature: `jws:${protectedHeader}..${encodeBase64url(signature)}` };
  });
  const [first = assert.fail(), ...cosignatures] = await Promise.all(signed);
  return { contents, ...first, cosignatures };
}

function operatorAsHolder({ operatorKey }: StolenRegistry): Holder {
  return holderOfKey(parseJosePublicKey(operatorKey.publicKey.text));
}

function memberGrant(history: History): GrantId {
  return parseGrantId(`${idOf(logOf(history, NEW)[NEW_GRANT] ?? assert.fail())}/0`);
}
