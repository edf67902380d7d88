import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, parseDigest, parseJson, RegistryError, utf8, wargApi, type JsonValue } from '@waybill/protocol';
import type { RememberedRegistry, TrustRevision, TrustStore } from '../ports.ts';
import { createFile } from './durable-file.ts';
import { hasCode } from './file-failure.ts';
import { clearOnce } from './temporary-file.ts';

const REVISION = /^trust-([0-9]{1,15})\.json$/;
/** Revisions kept besides the newest, for readers that have just listed the folder. */
const REVISIONS_KEPT = 3;
const READ_ATTEMPTS_MAX = 20;

/**
 * Remembers a registry as files `trust-<revision>.json`, of which the highest counts. A new revision is a file that did not
 * exist: the file system decides which of many processes made it, and no lock can be left behind by a killed one.
 */
export function openTrustFiles(folder: string): TrustStore {
  return {
    read: () => readNewest(folder),
    replace: (previous, next) => replace(folder, previous?.revision ?? 0, next),
    async keepEvidence(evidence) {
      const file = path.join(folder, `evidence-${randomUUID()}.json`);
      await createFile(file, evidence);
      return file;
    },
  };
}

async function revisions(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((failure: unknown) => {
    if (hasCode(failure, 'ENOENT')) return [];
    throw failure;
  });
  const found = names.flatMap((name) => REVISION.exec(name)?.[1] ?? []).map(Number);
  return found.toSorted((a, b) => b - a);
}

function fileOf(folder: string, revision: number): string {
  return path.join(folder, `trust-${revision}.json`);
}

async function readNewest(folder: string): Promise<TrustRevision | null> {
  await clearOnce(folder);
  for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
    const [revision] = await revisions(folder);
    if (revision === undefined) return null;
    try {
      return {
        revision,
        remembered: decodeRemembered(await readFile(fileOf(folder, revision)), fileOf(folder, revision)),
      };
    } catch (failure) {
      // Cleaned up between the listing and the reading, so a newer one is there.
      if (!hasCode(failure, 'ENOENT')) throw failure;
    }
  }
  throw new RegistryError('storage/busy', `${folder} keeps changing`);
}

async function replace(folder: string, revision: number, next: RememberedRegistry): Promise<boolean> {
  if (!(await createFile(fileOf(folder, revision + 1), JSON.stringify(rememberedBody(next))))) return false;
  const [newest, ...older] = await revisions(folder);
  // The revision may have been there before and been cleaned up: then a higher one stands, and ours counts for nothing.
  if (newest !== revision + 1) return false;
  for (const old of older.slice(REVISIONS_KEPT)) await rm(fileOf(folder, old), { force: true });
  return true;
}

function rememberedBody({ operatorKeyId, checkpoint }: RememberedRegistry): JsonValue {
  return { operatorKeyId, checkpoint: wargApi.signedCheckpointBody(checkpoint) };
}

function decodeRemembered(bytes: Uint8Array, file: string): RememberedRegistry {
  try {
    const body = parseJson(bytes);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new TypeError('not an object');
    const { operatorKeyId, checkpoint } = body;
    if (typeof operatorKeyId !== 'string') throw new TypeError('no operatorKeyId');
    const signed = wargApi.decodeSignedCheckpoint(utf8(JSON.stringify(checkpoint)));
    return { operatorKeyId: parseDigest(operatorKeyId), checkpoint: signed };
  } catch (cause) {
    throw new RegistryError(
      'storage/damaged',
      `${file} is damaged (${messageOf(cause)}); what this client knew of the registry is lost: remove the file to trust it anew`,
      {},
      { cause },
    );
  }
}
