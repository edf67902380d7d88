import type { IncomingMessage } from 'node:http';
import { concatBytes, RegistryError } from '@waybill/protocol';
import { MANIFEST_BYTES_MAX } from '@waybill/protocol/oci';
import type { HttpLimits } from '../http-limits.ts';
import type { HttpObserver } from '../http-observer.ts';
import { readBody } from '../request-body.ts';

/** Bytes of a form that asks for a token. */
const FORM_BYTES_MAX = 16 * 1024;

const NO_WEB_BODY = { body: null };

/** Whatever OCI clients send comes in through here, so that what it may take of the process is bounded in one place. */
export class OciIntake {
  readonly #limits: HttpLimits;
  readonly #observer: HttpObserver;
  #uploads = 0;
  #manifestBytes = 0;

  constructor(limits: HttpLimits, observer: HttpObserver) {
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Has `receive` take the body of an upload as it comes. Throws `request/too-many`, and what {@link readBody} throws. */
  async upload<T>(
    incoming: IncomingMessage,
    receive: (body: AsyncIterable<Uint8Array>, length: number | null) => Promise<T>,
  ): Promise<T> {
    checkEncoding(incoming);
    if (this.#uploads >= this.#limits.ociUploadsMax) throw tooMany('too many uploads are under way');
    const counted = { bytes: 0 };
    this.#uploads++;
    this.#observer.uploadStarted();
    try {
      return await receive(
        countBytes(readBody(NO_WEB_BODY, incoming, this.#limits.uploadBody), counted),
        announcedLength(incoming),
      );
    } finally {
      this.#uploads--;
      this.#observer.uploadEnded(counted.bytes);
    }
  }

  /** The bytes count as held until `use` is done with them. Throws `oci/size`, `request/too-many`. */
  async manifest<T>(incoming: IncomingMessage, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
    checkEncoding(incoming);
    const { ociManifestBytesMax, jsonBody, jsonBytesFree } = this.#limits;
    const chunks: Uint8Array[] = [];
    let length = 0;
    let charged = 0;
    try {
      // Refused before any of it is read, where that is known.
      if ((announcedLength(incoming) ?? 0) > MANIFEST_BYTES_MAX) throw tooLarge();
      for await (const chunk of readBody(NO_WEB_BODY, incoming, jsonBody)) {
        length += chunk.length;
        if (length > MANIFEST_BYTES_MAX) throw tooLarge();
        const charge = Math.max(0, length - jsonBytesFree) - charged;
        if (charge > 0 && this.#manifestBytes + charge > ociManifestBytesMax)
          throw tooMany('too many manifests arrive');
        charged += charge;
        this.#manifestBytes += charge;
        chunks.push(chunk);
      }
      return await use(concatBytes(...chunks));
    } finally {
      this.#manifestBytes -= charged;
    }
  }

  /** Throws `request/media-type`, `wire/too-large`. */
  async form(incoming: IncomingMessage): Promise<URLSearchParams> {
    const [mediaType = ''] = (incoming.headers['content-type'] ?? '').split(';');
    if (mediaType.trim().toLowerCase() !== 'application/x-www-form-urlencoded') {
      throw new RegistryError(
        'request/media-type',
        'a token is asked for with a form: application/x-www-form-urlencoded',
      );
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of readBody(NO_WEB_BODY, incoming, this.#limits.jsonBody)) {
      length += chunk.length;
      if (length > FORM_BYTES_MAX)
        throw new RegistryError('wire/too-large', `the form is over ${FORM_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  }
}

/** Of the body; `null` for one that comes in chunks. */
function announcedLength({ headers }: IncomingMessage): number | null {
  if (headers['transfer-encoding'] !== undefined) return null;
  return Number(headers['content-length'] ?? 0);
}

/** What is pushed is named by the digest of its bytes as they come: nothing is unpacked on the way (SECURITY.md W3). */
function checkEncoding({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() === 'identity') return;
  throw new RegistryError('request/media-type', `a body with Content-Encoding ${encoding.slice(0, 40)} is not taken`);
}

async function* countBytes(
  body: AsyncIterable<Uint8Array>,
  counted: { bytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    counted.bytes += chunk.length;
    yield chunk;
  }
}

function tooLarge(): RegistryError {
  return new RegistryError('oci/size', `a manifest has at most ${MANIFEST_BYTES_MAX} bytes`);
}

function tooMany(why: string): RegistryError {
  return new RegistryError('request/too-many', `${why}: try again`);
}
