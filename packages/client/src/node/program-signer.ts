import { spawn, type ChildProcess } from 'node:child_process';
import { RegistryError, type JosePublicKey, type Signer } from '@waybill/protocol';

/** A person may have to find a token and touch it. */
export const PROGRAM_SIGN_MS_MAX = 120_000;
/** The longest signature, of ML-DSA-65, has 3,309 bytes. */
const SIGNATURE_BYTES_MAX = 4_096;

export interface SignerProgram {
  readonly file: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signMsMax: number;
}

/**
 * A signer that is a program: started without a shell, with the algorithm and the key id as its arguments and the bytes to
 * sign on standard input; it writes the signature, raw, on standard output, and may talk to a person on standard error.
 * Fails with `signer/failed`.
 */
export function programSigner(publicKey: JosePublicKey, program: SignerProgram): Signer {
  return { publicKey, sign: (message) => runProgram(program, [publicKey.algorithm, publicKey.id], message) };
}

function runProgram(
  { file, environment, signMsMax }: SignerProgram,
  args: readonly string[],
  message: Uint8Array,
): Promise<Uint8Array> {
  // The program signs with a key of its own; the one in the environment is none of its business.
  const { WAYBILL_KEY: _key, ...env } = environment;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    const fail = (why: string): void => {
      clearTimeout(timer);
      abandon(child);
      reject(new RegistryError('signer/failed', `${file} ${why}`));
    };
    const timer = setTimeout(() => fail(`has not signed within ${signMsMax / 1_000} s`), signMsMax);
    const chunks: Uint8Array[] = [];
    let length = 0;
    child.stdout.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > SIGNATURE_BYTES_MAX) fail('wrote more than any signature has');
    });
    // A program may end without reading all: its exit code tells.
    child.stdin.on('error', () => {});
    child.once('error', (failure) => fail(`cannot be started: ${failure.message}`));
    child.once('close', (code, signal) => {
      if (code !== 0) return fail(`ended with ${code ?? signal}`);
      clearTimeout(timer);
      resolve(Uint8Array.from(Buffer.concat(chunks)));
    });
    child.stdin.end(message);
  });
}

/** What a program started may outlive it and hold its pipes: nothing here waits for their end. */
function abandon(child: ChildProcess): void {
  child.kill('SIGKILL');
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.unref();
}
