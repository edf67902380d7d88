import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import { fileWriter, PROGRAM_SIGN_MS_MAX, programSigner, readPublicKeys } from '@waybill/client/node';
import {
  JWS_CHARACTERS_MAX,
  localSigner,
  RegistryError,
  signCompact,
  signDetached,
  utf8,
  verifyJws,
  type JosePublicKey,
  type JwsContext,
  type Signer,
} from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, repeatedFlag, textFlag } from '../flags.ts';
import { fileSigningKey } from '../session.ts';

/** Never another: with one that a person could choose, whoever tells people what to type could have records signed. */
const FILE_CONTEXT: JwsContext = 'vnd.waybill.file';
const OUTPUT_MODE = 0o644;
/** Of a file to sign; a JWS of it has four characters for three bytes. */
const FILE_BYTES_MAX = (JWS_CHARACTERS_MAX / 4 - 4_096) * 3;

interface SignFlags extends CommonFlags {
  readonly key?: string;
  readonly detached?: boolean;
  readonly output?: string;
  readonly program?: string;
  readonly publicKey?: string;
}

export const signCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Sign a file',
    fullDescription: `Writes a JWS: the file and its signature, or with --detached the signature alone.
A program can sign instead of a key that is kept here, for a hardware token or a key service: it gets the algorithm and the
key id as arguments and the bytes to sign on standard input, and writes the raw signature (r || s for ECDSA).

  waybill sign notes.txt --detached
  waybill sign notes.txt --key team -o notes.jws
  waybill sign notes.txt --program ./sign-with-token --public-key token.pem`,
  },
  parameters: {
    flags: {
      key: textFlag("Name of the signing key (default: 'default'; or the key in WAYBILL_KEY)", 'name'),
      detached: { kind: 'boolean', brief: 'Only the signature, without the file', optional: true, withNegated: false },
      output: textFlag("Where to write; '-' is standard output (default: <file>.jws)", 'file'),
      program: textFlag('A program that signs', 'file'),
      publicKey: textFlag('The public key of that program: its text, or a file', 'key'),
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('File to sign', 'file')] },
  },
  func: action<SignFlags, [string]>(async (context, flags, _progress, file) => {
    const signer = await signerOf(context, flags);
    const payload = await readAtMost(file, FILE_BYTES_MAX);
    const detached = flags.detached ?? false;
    // Without a payload both forms are the same text, which nobody could tell apart.
    if (payload.length === 0 && !detached) throw new RegistryError('usage/invalid', `${file} is empty: use --detached`);
    const jws = await (detached ? signDetached : signCompact)(signer, FILE_CONTEXT, payload);
    const output = flags.output ?? `${file}.jws`;
    if (output === '-') return { text: jws, json: { jws } };
    await writeOutput(output, utf8(`${jws}\n`));
    const { id, algorithm } = signer.publicKey;
    const json = { file: path.resolve(output), keyId: id, algorithm, detached };
    return { text: `signed ${file} → ${output} (${algorithm}, ${id})`, json };
  }),
});

async function signerOf(context: CliContext, flags: SignFlags): Promise<Signer> {
  const { program, publicKey } = flags;
  if (program === undefined && publicKey === undefined) return localSigner(await fileSigningKey(context, flags));
  if (program === undefined || publicKey === undefined || flags.key !== undefined) {
    throw new RegistryError('usage/invalid', '--program and --public-key go together, and without --key');
  }
  const [key, ...others] = await publicKeysOf(publicKey);
  if (key === undefined || others.length > 0) throw new RegistryError('usage/invalid', 'give one --public-key');
  return programSigner(key, {
    file: path.resolve(program),
    environment: context.process.env,
    signMsMax: PROGRAM_SIGN_MS_MAX,
  });
}

interface VerifyFlags extends CommonFlags {
  readonly key?: readonly string[];
  readonly signature?: string;
  readonly typ?: string;
  readonly output?: string;
}

export const verifySignatureCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Check the signature of a file',
    fullDescription: `Reads a JWS in compact, flattened or general form. Every signature in it must be by one of the given keys;
nothing in the file says which keys those are.

  waybill verify-signature notes.txt --signature notes.txt.jws --key team.pub
  waybill verify-signature notes.jws --key jwk:eyJ… -o notes.txt`,
  },
  parameters: {
    flags: {
      key: repeatedFlag('A public key: its text, or a file with it (text, JWK, JWK set, PEM)', 'key'),
      signature: textFlag('The JWS of the file, when it is not in the file', 'file'),
      typ: textFlag(`What the signature must be for (default: ${FILE_CONTEXT}; 'any' for all)`, 'type'),
      output: textFlag('Where to write the bytes that were signed', 'file'),
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('The file, or a JWS that holds it', 'file')] },
  },
  func: action<VerifyFlags, [string]>(verifySignatureOf),
});

async function verifySignatureOf(
  _context: CliContext,
  flags: VerifyFlags,
  _progress: unknown,
  file: string,
): Promise<CommandResult> {
  const { signature, typ = FILE_CONTEXT, output, key = [] } = flags;
  if (key.length === 0) throw new RegistryError('usage/invalid', 'by whom? Give --key with a public key or a file');
  const keys = (await Promise.all(key.map(publicKeysOf))).flat();
  const jws = new TextDecoder().decode(await readAtMost(signature ?? file, JWS_CHARACTERS_MAX));
  const verified = await verifyJws(jws.trim(), {
    keys,
    typ: typ === 'any' ? null : typ,
    payload: signature === undefined ? null : await readAtMost(file, FILE_BYTES_MAX),
  });
  if (output !== undefined) await writeOutput(output, verified.payload);
  const signers = verified.keys.map(({ id, algorithm }) => `${algorithm}, ${id}`).join('; ');
  const json = { file, bytes: verified.payload.length, keyIds: verified.keys.map(({ id }) => id) };
  return { text: `${file} is signed (${signers})`, json };
}

/** The keys of a text, or of the file that it names. */
async function publicKeysOf(keyOrFile: string): Promise<readonly JosePublicKey[]> {
  const isText = keyOrFile.startsWith('jwk:') || keyOrFile.startsWith('ecdsa-p256:');
  return readPublicKeys(isText ? keyOrFile : await readFile(keyOrFile, 'utf8'), null);
}

async function readAtMost(file: string, bytesMax: number): Promise<Uint8Array> {
  if ((await stat(file)).size > bytesMax)
    throw new RegistryError('wire/too-large', `${file} is too large to be signed`);
  return readFile(file);
}

async function writeOutput(file: string, bytes: Uint8Array): Promise<void> {
  const writer = await fileWriter(path.resolve(file), OUTPUT_MODE);
  try {
    await writer.write(bytes);
    await writer.keep();
  } catch (failure) {
    await writer.discard();
    throw failure;
  }
}
