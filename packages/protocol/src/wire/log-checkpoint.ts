import { encodeBase64 } from '../bytes/base64.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { encodeHex } from '../bytes/hex.ts';
import { sha256 } from '../crypto/hash.ts';

/** Signature type of C2SP signed notes: Ed25519. */
export const NOTE_ED25519 = 0x01;

const KEY_ID_BYTES = 4;

/** What a C2SP tlog-checkpoint states. */
export interface LogCheckpoint {
  /** Names the log for ever; an identity, not an address. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** The text of a checkpoint without extension lines; a note signs exactly these bytes. */
export function encodeLogCheckpoint({ origin, size, root }: LogCheckpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** Four bytes that name a key in a note; `publicKey` is 32 bytes for Ed25519. */
export function noteKeyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8(`${name}\n`), Uint8Array.of(type), publicKey)).subarray(0, KEY_ID_BYTES);
}

/** A verifier key as note tools read it: `name+id+key`. */
export function formatNoteVerifierKey(name: string, type: number, publicKey: Uint8Array): string {
  const key = encodeBase64(concatBytes(Uint8Array.of(type), publicKey));
  return `${name}+${encodeHex(noteKeyId(name, type, publicKey))}+${key}`;
}

/** A note with one signature. */
export function formatSignedNote(
  text: string,
  signer: { readonly name: string; readonly keyId: Uint8Array },
  signature: Uint8Array,
): string {
  return `${text}\n\u2014 ${signer.name} ${encodeBase64(concatBytes(signer.keyId, signature))}\n`;
}
