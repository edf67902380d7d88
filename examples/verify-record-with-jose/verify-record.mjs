// Verifies a signature of a version 1 record with the plain jose library, in Node.js and in browsers.
import { flattenedVerify, importJWK } from 'jose';

/** `record` is as fetch/logs serves it, `jwk` what `waybill key export --jwk --public` prints. */
export async function verifyRecord({ contentBytes, signature }, jwk) {
  const [header, , value] = signature.replace(/^jws:/, '').split('.');
  const payload = contentBytes.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const key = await importJWK(jwk, jwk.alg);
  const { protectedHeader } = await flattenedVerify({ protected: header, payload, signature: value }, key);
  if (protectedHeader.typ !== 'vnd.waybill.package-record') throw new Error('signed, but not as a record of a package');
  return protectedHeader;
}
