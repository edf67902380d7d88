import { randomBytes, webcrypto } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import path from 'node:path';
import { encodeHex, parseTokenId, RegistryError } from '@waybill/protocol';
import { parseRepository } from '@waybill/protocol/oci';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { OciTokenClaims, OciTokenSeal } from './core/oci/oci-tokens.ts';
import { KEY_FILE_MODE, writeKeyFile } from './key-file.ts';

const KEY_FILE = 'oci-token.key';
const KEY_BYTES = 32;
const KEY_TEXT = /^[0-9a-f]{64}$/;
const ALGORITHM = 'HS256';

/**
 * The seal of tokens for OCI clients, with a key that is made when it is not there: tokens of a lost one are valid for minutes
 * only, and whoever has lost them asks again. Throws `key/not-found` for a file that holds no key.
 */
export async function openOciTokenSeal(directory: string): Promise<OciTokenSeal> {
  const bytes = await openKeyBytes(path.join(directory, KEY_FILE));
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  return new JwtSeal(await webcrypto.subtle.importKey('raw', bytes, hmac, false, ['sign', 'verify']));
}

async function openKeyBytes(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const text = await readFile(file, 'utf8').catch((failure: unknown) => {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw failure;
  });
  if (text === null) {
    const made = new Uint8Array(randomBytes(KEY_BYTES));
    await writeKeyFile(file, `${encodeHex(made)}\n`);
    return made;
  }
  await chmod(file, KEY_FILE_MODE);
  const hex = text.trim();
  if (!KEY_TEXT.test(hex)) {
    throw new RegistryError('key/not-found', `${file} holds no key: remove it, and another one is made`);
  }
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

/** Of a token that this key signed; still checked, for an older program may have made it. */
const PAYLOAD = z.object({
  aud: z.string(),
  iat: z.number(),
  exp: z.number(),
  token: z.string().nullable(),
  access: z.array(
    z.object({ type: z.literal('repository'), name: z.string(), actions: z.array(z.enum(['pull', 'push', 'delete'])) }),
  ),
});

/** JSON Web Tokens: clients look for the time of expiry in them. */
class JwtSeal implements OciTokenSeal {
  readonly #key: webcrypto.CryptoKey;

  constructor(key: webcrypto.CryptoKey) {
    this.#key = key;
  }

  seal({ audience, issuedAt, expiresAt, tokenId, grants }: OciTokenClaims): Promise<string> {
    const access = grants.map(({ repository, actions }) => ({
      type: 'repository',
      name: repository,
      actions: [...actions],
    }));
    return new SignJWT({ token: tokenId, access })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(this.#key);
  }

  async open(
    text: string,
    { audience, nowMs }: { readonly audience: string; readonly nowMs: number },
  ): Promise<OciTokenClaims | null> {
    const expected = {
      algorithms: [ALGORITHM],
      audience,
      currentDate: new Date(nowMs),
      requiredClaims: ['exp', 'aud', 'iat'],
    };
    const verified = await jwtVerify(text, this.#key, expected).catch((failure: unknown) => {
      if (failure instanceof errors.JOSEError) return null;
      throw failure;
    });
    const payload = verified === null ? null : PAYLOAD.safeParse(verified.payload);
    return payload?.success === true ? claimsOf(payload.data) : null;
  }
}

function claimsOf({ aud, iat, exp, token, access }: z.infer<typeof PAYLOAD>): OciTokenClaims {
  return {
    audience: aud,
    issuedAt: iat,
    expiresAt: exp,
    tokenId: token === null ? null : parseTokenId(token),
    grants: access.map(({ name, actions }) => ({ repository: parseRepository(name), actions: new Set(actions) })),
  };
}
