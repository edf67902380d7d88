import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  checkGovernanceRecord,
  contentNamedBy,
  envelopeOf,
  findRecord,
  judgedAs,
  publishSigned,
  readCarried,
  requireDeciding,
  sendGovernanceRecord,
  sendOperatorRecord,
  type CarriedKind,
  type CarriedRecord,
  type RegistryClient,
} from '@waybill/client';
import { walkTree } from '@waybill/client/node';
import {
  applyRecord,
  decodeSignedRecord,
  GOVERNANCE_LOG,
  judgeRecord,
  OPERATOR_LOG,
  PACKAGE_LOG,
  RegistryError,
  type Digest,
  type LogHead,
  type SignedRecord,
} from '@waybill/protocol';
import type { CommandResult } from '../action.ts';
import { carriedBody, carriedText } from '../carried-text.ts';
import { digestOfFile } from '../file-digest.ts';
import type { Progress } from '../progress.ts';

/** What goes with a record of a package. */
export interface SendParts {
  readonly client: RegistryClient;
  readonly progress: Progress;
  /** Files and folders with the content that it names. */
  readonly content: readonly string[];
  readonly final: boolean;
}

type Send<K extends CarriedKind> = (carried: CarriedRecord<K>, parts: SendParts) => Promise<void>;

const SENDERS: { readonly [K in CarriedKind]: Send<K> } = {
  operator: sendToOperatorLog,
  governance: sendToGovernanceLog,
  package: sendToPackageLog,
};

/**
 * Sends a record that all have signed, once: it is judged first on what the registry has, verified. Throws `publish/conflict`
 * where another record came first, and the `record/…` code of a rule that it breaks.
 */
export async function sendCarried<K extends CarriedKind>(
  carried: CarriedRecord<K>,
  parts: SendParts,
): Promise<CommandResult> {
  const send: Send<K> = SENDERS[carried.kind];
  parts.progress.step('verifying the log');
  await send(carried, parts);
  const { id } = readCarried(carried);
  return { text: `${carriedText(carried)}\ndone, by record ${id}`, json: carriedBody(carried) };
}

async function sendToOperatorLog(carried: CarriedRecord<'operator'>, { client, progress }: SendParts): Promise<void> {
  const record = decodeSignedRecord(OPERATOR_LOG, envelopeOf(carried));
  const { operator, operatorRecords } = await client.view([]);
  if (findRecord(operatorRecords, record) !== null) return;
  requireNext(operator.head, record);
  judgedAs('operator', () => judgeRecord(OPERATOR_LOG, operator, record));
  await applyRecord(OPERATOR_LOG, operator, record);
  progress.step('sending');
  await sendOperatorRecord(client, record);
}

async function sendToGovernanceLog(
  carried: CarriedRecord<'governance'>,
  { client, progress }: SendParts,
): Promise<void> {
  const { log: namespace } = carried;
  const record = decodeSignedRecord(GOVERNANCE_LOG, envelopeOf(carried));
  const look = await client.governance(namespace);
  requireDeciding(look);
  if (findRecord(look.records, record) !== null) return;
  requireNext(look.state?.head ?? null, record);
  await checkGovernanceRecord(record, look);
  progress.step('sending');
  await sendGovernanceRecord(client, namespace, record);
}

async function sendToPackageLog(carried: CarriedRecord<'package'>, parts: SendParts): Promise<void> {
  const { client, progress, final } = parts;
  const record = decodeSignedRecord(PACKAGE_LOG, envelopeOf(carried));
  const contents = await contentsOf(carried, parts);
  await client.withEvidence(() =>
    publishSigned(
      { name: carried.log, record, contents, final },
      { client, clock: Date.now, onStep: (step) => progress.step(step) },
    ),
  );
}

async function contentsOf(
  carried: CarriedRecord,
  { content, progress }: SendParts,
): Promise<ReadonlyMap<Digest, () => Promise<Blob>>> {
  const contents = new Map<Digest, () => Promise<Blob>>();
  for (const file of content) {
    progress.step(`hashing ${file}`);
    if ((await stat(file)).isDirectory()) {
      const { index, digest, sources } = await walkTree(file, 'published');
      contents.set(digest, () => Promise.resolve(new Blob([new Uint8Array(index)])));
      for (const [one, source] of sources) contents.set(one, () => openAsBlob(source));
      continue;
    }
    contents.set((await digestOfFile(file)).digest, () => openAsBlob(file));
  }
  const missing = contentNamedBy(readCarried(carried)).find((digest) => !contents.has(digest));
  if (missing === undefined) return contents;
  throw new RegistryError('usage/invalid', `the record names content ${missing}: give the file of it with --content`);
}

function requireNext(head: LogHead | null, { prev }: Pick<SignedRecord<never>, 'prev'>): void {
  if ((head?.id ?? null) === prev) return;
  const message = 'the log has moved on since the record was drafted: draft it again, and have it signed again';
  throw new RegistryError('publish/conflict', message, { recordId: head?.id ?? '' });
}
