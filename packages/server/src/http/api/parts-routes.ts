import { pipeline, Readable } from 'node:stream';
import { constants, createBrotliCompress } from 'node:zlib';
import { parseDigest, type Digest } from '@waybill/protocol';
import { decodePartsRequest, PARTS_LIST_MEDIA_TYPE } from '@waybill/protocol/content';
import { Hono } from 'hono';
import type { Access } from '../../core/access.ts';
import type { ContentParts } from '../../core/content-parts.ts';
import type { ContentReading } from '../../core/content-reading.ts';
import type { ContentShown } from '../../core/content-spaces.ts';
import { takenDown } from '../../core/governance-gate.ts';
import { CONTENT_CACHE, streamOf } from '../content-response.ts';
import type { Intake } from '../intake.ts';
import type { NodeEnv } from '../node-env.ts';
import type { TokenGate } from '../token-gate.ts';
import { apiProblem } from './api-problem.ts';

export interface PartsRoutesParts {
  readonly content: ContentReading;
  readonly parts: ContentParts;
  readonly gate: TokenGate;
  readonly intake: Intake;
}

const PARTS = '/api/v1/content/:digest/parts';

const CHUNK_BYTES = 64 * 1024;

/** Half of the time of level 5 for a tenth more bytes (docs/decisions/0020). */
const BROTLI_LEVEL = 4;
/** Answers compressed at one time, and bytes of the largest: others go as they are. */
const COMPRESSIONS_MAX = 4;
const COMPRESSED_BYTES_MAX = 32 * 1024 * 1024;

/** Content in parts (spec/http.md 4.20, 4.21). */
export function partsRoutes({ content, parts, gate, intake }: PartsRoutesParts): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  const compression = new Compression();
  app.get(PARTS, async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const { digest, shown } = await servedDigest(access, c.req.param('digest'), content);
    // The list follows from the digest, and so is kept as the content is.
    const headers = {
      'content-type': PARTS_LIST_MEDIA_TYPE,
      ...CONTENT_CACHE[shown],
      etag: `"parts-${digest}"`,
    };
    if (c.req.header('if-none-match') === headers.etag) return new Response(null, { status: 304, headers });
    const list = await parts.encodedList(digest);
    return new Response(streamOf(chunksOf(list)), { headers: { ...headers, 'content-length': String(list.length) } });
  });
  app.post(PARTS, async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const { digest, shown } = await servedDigest(access, c.req.param('digest'), content);
    const body = await intake.json({ request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing });
    const { length, chunks } = await parts.bytes(digest, decodePartsRequest(body));
    const answer = compression.answer(chunks, length, c.req.header('accept-encoding') ?? '');
    if (shown === 'to some') answer.headers.set('cache-control', CONTENT_CACHE[shown]['cache-control']);
    return answer;
  });
  app.all(PARTS, () => new Response(null, { status: 405 }));
  app.onError((error) => {
    const answer = apiProblem(error);
    // RFC 7725: a 451 may be kept unless it says otherwise, and what is reinstated must be found again.
    answer.headers.set('cache-control', 'no-store');
    return answer;
  });
  return app;
}

/** Not copied: answers to slow readers share the list. */
async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Throws `text/hash`, `content/taken-down`, `content/not-found`. */
async function servedDigest(
  access: Access,
  text: string,
  content: ContentReading,
): Promise<{ readonly digest: Digest; readonly shown: Exclude<ContentShown, 'no'> }> {
  const digest = parseDigest(text);
  const takedown = await content.takedownOf(digest);
  if (takedown !== null) throw takenDown(takedown);
  return { digest, shown: await content.requireShown(access, digest) };
}

class Compression {
  #underWay = 0;

  answer(chunks: AsyncIterable<Uint8Array>, length: number, accepted: string): Response {
    const headers = {
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      vary: 'accept-encoding',
    };
    const isCompressed =
      /(?:^|,)\s*br\s*(?:,|$)/.test(accepted) && length <= COMPRESSED_BYTES_MAX && this.#underWay < COMPRESSIONS_MAX;
    if (!isCompressed) {
      return new Response(streamOf(chunks), { headers: { ...headers, 'content-length': String(length) } });
    }
    const level = { [constants.BROTLI_PARAM_QUALITY]: BROTLI_LEVEL, [constants.BROTLI_PARAM_SIZE_HINT]: length };
    this.#underWay++;
    const packed = pipeline(Readable.from(chunks), createBrotliCompress({ params: level }), () => this.#underWay--);
    return new Response(streamOf(packed), { headers: { ...headers, 'content-encoding': 'br' } });
  }
}
