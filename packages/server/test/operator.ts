import { readFile } from 'node:fs/promises';
import {
  encodeBase64,
  OPERATOR_LOG,
  parsePrivateKey,
  parseRecordId,
  signRecord,
  timestampFromMs,
  wargApi,
  type OperatorEntry,
  type PrivateKey,
  type RecordId,
} from '@waybill/protocol';
import type { Answer, RunningRegistry } from './running-registry.ts';

/** The key that the server made for itself at its first start. */
export async function operatorKey(registry: RunningRegistry): Promise<PrivateKey> {
  return parsePrivateKey(await readFile(registry.operatorKeyFile, 'utf8'));
}

/** Records of the served head. */
export async function logLength(registry: RunningRegistry): Promise<number> {
  return wargApi.decodeSignedCheckpoint((await registry.get('v1/fetch/checkpoint')).bytes).contents.logLength;
}

/** The newest operator record. */
export async function operatorHead(registry: RunningRegistry): Promise<RecordId> {
  const json = { logLength: await logLength(registry), limit: 1000 };
  const { operator } = wargApi.decodeFetchLogsResponse((await registry.post('v1/fetch/logs', { json })).bytes);
  return parseRecordId(operator.at(-1)?.fetchToken ?? '');
}

/** Signs an operator record and posts it. */
export async function appendOperator(
  registry: RunningRegistry,
  entries: readonly OperatorEntry[],
  signed: { readonly key?: PrivateKey; readonly prev?: RecordId } = {},
): Promise<Answer> {
  const { key = await operatorKey(registry), prev = await operatorHead(registry) } = signed;
  const draft = { prev, time: timestampFromMs(Date.now()), entries };
  const { contents, keyId, signature } = (await signRecord(OPERATOR_LOG, draft, key)).envelope;
  return registry.post('api/v1/operator/records', { json: { contentBytes: encodeBase64(contents), keyId, signature } });
}
