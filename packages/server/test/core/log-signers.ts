import { encodeLogCheckpoint } from '@waybill/protocol';
import type { LogName, LogSigner } from '../../src/core/ports.ts';

/** Signers of notes whose signature is a constant: for tests of what is signed, not of how. */
export const testLogSigners = { records: signerOf('records'), heads: signerOf('heads') };

function signerOf(log: LogName): LogSigner {
  const origin = `test.invalid/${log}`;
  return {
    origin,
    verifierKey: `${origin}+00000000+`,
    sign: (size, root) => `${encodeLogCheckpoint({ origin, size, root })}\n\u2014 ${origin} AAAA\n`,
  };
}
