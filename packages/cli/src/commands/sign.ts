import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import { PROGRAM_SIGN_MS_MAX, programSigner, readPublicKeys } from '@waybill/client/node';
import {
  JWS_CHARACTERS_MAX,
  localSigner,
  RegistryError,
  signCompact,
  signDetached,
  utf8,
  utf8Text,
  verifyJws,
  type JoseAlgorithm,
  type JosePublicKey,
  type JwsContext,
  type Signer,
} from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, repeatedFlag, textFlag } from '../flags.ts';
import { algorithmFlag, algorithmOf, isKeyText, requireNoKeyText } from '../key-argument.ts';
import { OUTPUT_MODE, requireWritable, writeOutput, writeStandardOutput } from '../output.ts';
import { signingKey } from '../session.ts';

/** Never another: with one that a person could choose, whoever tells people what to type could have records signed. */
const FILE_CONTEXT: JwsContext = 'vnd.waybill.file';
/** Of a file to sign; a JWS of it has four characters for three bytes. */
const FILE_BYTES_MAX = (JWS_CHARACTERS_MAX / 4 - 4_096) * 3;

interface SignFlags extends CommonFlags {
  readonly key?: string;
  readonly detached?: boolean;
  readonly output?: string;
  readonly program?: string;
  readonly publicKey?: string;
  readonly alg?: string;
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
      output: textFlag("Where to write; '-' is standard output (default: <file>.jws, if there is none)", 'file'),
      program: textFlag('A program that signs', 'file'),
      publicKey: textFlag('The public key of that program: its text, or a file', 'key'),
      ...algorithmFlag,
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('File to sign', 'file')] },
  },
  func: action<SignFlags, [string]>(sign),
});

async function sign(context: CliContext, flags: SignFlags, _progress: unknown, file: string): Promise<CommandResult> {
  const { detached = false } = flags;
  requireNoKeyText({ FILE: file, '--output': flags.output, '--program': flags.program });
  const output = {
    file: flags.output ?? `${file}.jws`,
    mode: detached ? OUTPUT_MODE : await modeLike(file),
    mayReplace: flags.output !== undefined,
  };
  if (output.file !== '-') await requireWritable(output, [file, ...filesOf([flags.publicKey, flags.program])]);
  const signer = await signerOf(context, flags);
  const payload = await readAtMost(file, FILE_BYTES_MAX);
  // Without a payload both forms are the same text, which nobody could tell apart.
  if (payload.length === 0 && !detached) throw new RegistryError('usage/invalid', `${file} is empty: use --detached`);
  const jws = await (detached ? signDetached : signCompact)(signer, FILE_CONTEXT, payload);
  if (output.file === '-') return { text: jws, json: { jws } };
  await writeOutput(output, utf8(`${jws}\n`));
  const { id, algorithm } = signer.publicKey;
  const json = { file: path.resolve(output.file), keyId: id, algorithm, detached };
  return { text: `signed ${file} → ${output.file} (${algorithm}, ${id})`, json };
}

async function signerOf(context: CliContext, flags: SignFlags): Promise<Signer> {
  const { program, publicKey, alg } = flags;
  if (program === undefined && publicKey === undefined) {
    if (alg !== undefined) throw new RegistryError('usage/invalid', '--alg is for the key of --public-key');
    return localSigner(await signingKey(context, flags));
  }
  if (program === undefined || publicKey === undefined || flags.key !== undefined) {
    throw new RegistryError('usage/invalid', '--program and --public-key go together, and without --key');
  }
  const [key, ...others] = await publicKeysOf(publicKey, algorithmOf(alg));
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
  readonly alg?: string;
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
      ...algorithmFlag,
      output: textFlag("Where to write the bytes that were signed; '-' is standard output", 'file'),
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
): Promise<CommandResult | null> {
  const { signature, typ = FILE_CONTEXT, output, key = [], alg } = flags;
  requireNoKeyText({ FILE: file, '--signature': signature, '--output': output, '--typ': typ });
  if (key.length === 0) throw new RegistryError('usage/invalid', 'by whom? Give --key with a public key or a file');
  const algorithm = algorithmOf(alg);
  const keys = (await Promise.all(key.map((one) => publicKeysOf(one, algorithm)))).flat();
  const verified = await verifyJws(await readJws(signature ?? file), {
    keys,
    typ: typ === 'any' ? null : typ,
    payload: signature === undefined ? null : await readAtMost(file, FILE_BYTES_MAX),
  });
  if (output === '-') {
    await writeStandardOutput([verified.payload]);
    return null;
  }
  if (output !== undefined) {
    const target = { file: output, mode: await modeLike(file), mayReplace: true };
    await requireWritable(target, filesOf([file, signature, ...key]));
    await writeOutput(target, verified.payload);
  }
  const signers = verified.keys.map((signer) => `${signer.algorithm}, ${signer.id}`).join('; ');
  const json = { file, bytes: verified.payload.length, keyIds: verified.keys.map(({ id }) => id) };
  return { text: `${file} is signed (${signers})`, json };
}

/** The keys of a text, or of the file that it names. */
async function publicKeysOf(keyOrFile: string, algorithm: JoseAlgorithm | null): Promise<readonly JosePublicKey[]> {
  return readPublicKeys(isKeyText(keyOrFile) ? keyOrFile : await readFile(keyOrFile, 'utf8'), algorithm);
}

function filesOf(arguments_: readonly (string | undefined)[]): readonly string[] {
  return arguments_.flatMap((one) => (one === undefined || isKeyText(one) ? [] : [one]));
}

/** A JWS is one line of text, or JSON: what ends its last line is no part of it. Throws `jws/malformed`. */
async function readJws(file: string): Promise<string> {
  const text = utf8Text(await readAtMost(file, JWS_CHARACTERS_MAX));
  if (text === null) throw new RegistryError('jws/malformed', `${file} is no text`);
  let end = text.length;
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end -= 1;
  return text.slice(0, end);
}

async function readAtMost(file: string, bytesMax: number): Promise<Uint8Array> {
  if ((await stat(file)).size > bytesMax) throw new RegistryError('wire/too-large', `${file} is too large for a JWS`);
  return readFile(file);
}

/** What holds the bytes of a file is for nobody who may not read that file. */
async function modeLike(file: string): Promise<number> {
  return 0o600 | ((await stat(file)).mode & OUTPUT_MODE);
}
