import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  concatBytes,
  decodeBase64,
  encodeBase64,
  encodeHex,
  encodeLogCheckpoint,
  formatNoteVerifierKey,
  formatSignedNote,
  NOTE_ED25519,
  noteKeyId,
  RegistryError,
  utf8,
} from '@waybill/protocol';
import type { LogName, LogSigner } from './core/ports.ts';
import { KEY_FILE_MODE, writeKeyFile } from './key-file.ts';

const SEED_BYTES = 32;
const ORIGIN_LENGTH_MAX = 200;
/** A PKCS #8 document of an Ed25519 key up to its 32-byte seed (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const LOGS: readonly LogName[] = ['records', 'heads'];

export interface LogSigners {
  readonly records: LogSigner;
  readonly heads: LogSigner;
}

/**
 * The Ed25519 keys of both C2SP logs, made at the first start together with their origins, which never change again:
 * `origin`, or one derived from the operator's key, with `/records` and `/heads` appended. Throws `key/not-found` when the
 * store is there but a key is not, `usage/invalid` for another origin than the one fixed, `text/private-key`.
 */
export async function openLogKeys(
  directory: string,
  asked: { readonly origin: string | null; readonly operatorKeyId: string; readonly storeIsNew: boolean },
): Promise<LogSigners> {
  const base = asked.origin ?? `waybill.invalid/${asked.operatorKeyId.replace(/^sha256:/, '')}`;
  const [records, heads] = await Promise.all(
    LOGS.map((log) => openLogKey(logKeyFile(directory, log), `${base}/${log}`, asked)),
  );
  if (records === undefined || heads === undefined) throw new TypeError('there are two logs');
  return { records, heads };
}

/** The keys of both logs as they lie there, made or changed by nobody; `null` when one is missing. Throws `text/private-key`. */
export async function readLogKeys(directory: string): Promise<LogSigners | null> {
  const [records, heads] = await Promise.all(
    LOGS.map(async (log) => {
      const file = logKeyFile(directory, log);
      const text = await readTextOrNull(file);
      return text === null ? null : parseLogKey(text.trim(), file);
    }),
  );
  return records && heads ? { records, heads } : null;
}

/** Where the key of a log is. */
export function logKeyFile(directory: string, log: LogName): string {
  return path.join(directory, `${log}-log.key`);
}

/** Throws `usage/invalid` for what cannot name a C2SP log. */
export function parseOrigin(text: string): string {
  if (text.length <= ORIGIN_LENGTH_MAX && /^[!-*,-~]+$/.test(text) && !/^WARG-|\/$/.test(text)) return text;
  throw new RegistryError('usage/invalid', `--origin takes a name such as registry.example/main, not ${text}`);
}

async function openLogKey(
  file: string,
  origin: string,
  { origin: asked, storeIsNew }: { readonly origin: string | null; readonly storeIsNew: boolean },
): Promise<LogSigner> {
  const text = await readTextOrNull(file);
  if (text === null) {
    if (!storeIsNew) throw new RegistryError('key/not-found', `${file} is missing: put back the key of this log`);
    return makeLogKey(file, origin);
  }
  await chmod(file, KEY_FILE_MODE);
  const signer = parseLogKey(text.trim(), file);
  if (asked !== null && signer.origin !== origin) {
    const message = `the origin of this log is ${signer.origin} for ever: leave --origin away`;
    throw new RegistryError('usage/invalid', message);
  }
  return signer;
}

async function readTextOrNull(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((failure: unknown) => {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw failure;
  });
}

async function makeLogKey(file: string, origin: string): Promise<LogSigner> {
  const seed = randomBytes(SEED_BYTES);
  await writeKeyFile(file, `${formatLogKey(origin, seed)}\n`);
  return signerOf(origin, seed);
}

/** The private form of Go's note package, which witnesses and other log tools read. */
function formatLogKey(origin: string, seed: Uint8Array): string {
  const id = noteKeyId(origin, NOTE_ED25519, publicBytes(keyOf(seed)));
  return `PRIVATE+KEY+${origin}+${encodeHex(id)}+${encodeBase64(concatBytes(Uint8Array.of(NOTE_ED25519), seed))}`;
}

function parseLogKey(text: string, file: string): LogSigner {
  const [, origin = '', key = ''] = /^PRIVATE\+KEY\+([^+\s]+)\+[0-9a-f]{8}\+(\S+)$/.exec(text) ?? [];
  const bytes = decodeBase64(key);
  const seed = bytes.subarray(1);
  if (bytes[0] !== NOTE_ED25519 || seed.length !== SEED_BYTES || formatLogKey(origin, seed) !== text) {
    throw new RegistryError('text/private-key', `${file} holds no key of a log`);
  }
  return signerOf(origin, seed);
}

function signerOf(origin: string, seed: Uint8Array): LogSigner {
  const key = keyOf(seed);
  const publicKey = publicBytes(key);
  const signer = { name: origin, keyId: noteKeyId(origin, NOTE_ED25519, publicKey) };
  return {
    origin,
    verifierKey: formatNoteVerifierKey(origin, NOTE_ED25519, publicKey),
    sign(size, root) {
      const text = encodeLogCheckpoint({ origin, size, root });
      return formatSignedNote(text, signer, sign(null, utf8(text), key));
    },
  };
}

function keyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
}

/** The last 32 bytes of an Ed25519 key's SPKI document are the key. */
function publicBytes(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES);
}
