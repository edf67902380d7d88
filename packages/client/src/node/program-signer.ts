import { spawn } from 'node:child_process';
import { RegistryError, type JosePublicKey, type Signer } from '@waybill/protocol';

/** A person may have to find a token and touch it. */
const SIGN_MS_MAX = 120_000;
/** The longest signature, of ML-DSA-65, has 3,309 bytes. */
const SIGNATURE_BYTES_MAX = 4_096;

/**
 * A signer that is a program: started without a shell, with the algorithm and the key id as its arguments and the bytes to
 * sign on standard input; it writes the signature, raw, on standard output, and may talk to a person on standard error.
 * Fails with `signer/failed`.
 */
export function programSigner(publicKey: JosePublicKey, program: string): Signer {
  return { publicKey, sign: (message) => runProgram(program, [publicKey.algorithm, publicKey.id], message) };
}

function runProgram(program: string, args: readonly string[], message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new RegistryError('signer/failed', `${program} ${why}`));
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], timeout: SIGN_MS_MAX });
    const chunks: Uint8Array[] = [];
    let length = 0;
    child.stdout.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= SIGNATURE_BYTES_MAX) chunks.push(chunk);
      else child.kill();
    });
    // A program may end without reading all: its exit code tells.
    child.stdin.on('error', () => {});
    child.once('error', (failure) => fail(`cannot be started: ${failure.message}`));
    child.once('close', (code, signal) => {
      if (length > SIGNATURE_BYTES_MAX) fail('wrote more than any signature has');
      else if (code !== 0) fail(`ended with ${code ?? signal}`);
      else resolve(Uint8Array.from(Buffer.concat(chunks)));
    });
    child.stdin.end(message);
  });
}
