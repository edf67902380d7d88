import { createHash, randomUUID, type Hash } from 'node:crypto';
import { constants, lstatSync, type Stats } from 'node:fs';
import { open, readdir, readFile, rm, truncate, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { concatBytes, isRegistryError, parseJson, RegistryError, utf8 } from '@waybill/protocol';
import { algorithmOf, ociDigestOf, parseRepository, type OciAlgorithm, type OciDigest } from '@waybill/protocol/oci';
import type { UploadSession, UploadStore } from '../../core/oci-ports.ts';
import { noFollow, openUnlessGone } from '../durable-files.ts';
import { withFileFailures, withFileFailuresSync } from '../file-failure.ts';
import { BlockWriter, writeNew } from './block-writer.ts';
import { fileChunks } from './file-chunks.ts';
import { SMALL_BLOB_BYTES_MAX, type OciBlobs } from './oci-blobs.ts';
import { isSessionId, uploadsFolder } from './oci-places.ts';

const NO_BYTES = new Uint8Array(0);

/** What does not change while a session lasts. */
type SessionFacts = Pick<UploadSession, 'id' | 'repository' | 'account' | 'startedAtMs'>;

/** The hash of the first `length` bytes. */
interface Hashed {
  readonly hash: Hash;
  readonly length: number;
}

/** Of a session that this process has written to. */
interface Hashing {
  readonly now: Hashed;
  /** Before the newest chunk: what is set back to there need not be read again. */
  readonly before: Hashed | null;
}

/** Unfinished uploads as files: the bytes, and beside them who began it. Both outlive the process, neither a power cut. */
export class OciUploadFiles implements UploadStore {
  readonly #folder: string;
  readonly #blobs: Pick<OciBlobs, 'take' | 'keep'>;
  readonly #facts = new Map<string, SessionFacts>();
  readonly #hashing = new Map<string, Hashing>();
  /** Bytes of sessions that have no file: of those just begun, and of small ones whose last bytes have come. */
  readonly #held = new Map<string, Uint8Array>();

  /** Sessions with a file of bytes, and none beside it of who began them. */
  readonly #factless = new Set<string>();

  constructor(root: string, blobs: Pick<OciBlobs, 'take' | 'keep'>) {
    this.#folder = uploadsFolder(root);
    this.#blobs = blobs;
  }

  /** Nothing is written before there are bytes: nobody has lost anything with a session that has none. */
  async start({ repository, account }: Pick<UploadSession, 'repository' | 'account'>): Promise<UploadSession> {
    const facts = { id: randomUUID(), repository, account, startedAtMs: Date.now() };
    this.#facts.set(facts.id, facts);
    this.#held.set(facts.id, NO_BYTES);
    return { ...facts, touchedAtMs: facts.startedAtMs, length: 0 };
  }

  async find(id: string): Promise<UploadSession | null> {
    const known = this.#facts.get(id);
    const held = this.#held.get(id);
    if (known !== undefined && held !== undefined)
      return { ...known, touchedAtMs: known.startedAtMs, length: held.length };
    if (!isSessionId(id)) return null;
    const stat = lstatUnlessGone(this.#fileOf(id));
    if (stat === null || !stat.isFile()) return null;
    const facts = known ?? (await readFacts(this.#fileOf(id), id));
    if (facts === null) return null;
    this.#facts.set(id, facts);
    return { ...facts, touchedAtMs: Math.floor(stat.mtimeMs), length: stat.size };
  }

  async append(id: string, body: AsyncIterable<Uint8Array>, bytesMax: number, isLast = false): Promise<number> {
    let [length, rest] = [(await this.#require(id)).length, body];
    if (this.#held.has(id)) {
      const chunks = body[Symbol.asyncIterator]();
      if (isLast && (await this.#hold(id, chunks, bytesMax))) return this.#held.get(id)?.length ?? length;
      length = await this.#writeBytes(id);
      rest = { [Symbol.asyncIterator]: () => chunks };
    }
    if (!isLast) await this.#writeFacts(id);
    try {
      return await this.#appendToFile(id, rest, { length, bytesMax });
    } catch (failure) {
      await this.#writeFacts(id);
      throw failure;
    }
  }

  /** False when there is more than is held in memory: what came so far is held then. Of a body that breaks off, too. */
  async #hold(id: string, chunks: AsyncIterator<Uint8Array>, bytesMax: number): Promise<boolean> {
    const parts = [this.#held.get(id) ?? NO_BYTES];
    let length = parts[0]?.length ?? 0;
    try {
      while (length < SMALL_BLOB_BYTES_MAX) {
        const next = await chunks.next();
        if (next.done === true) return true;
        if (length + next.value.length > bytesMax) throw tooLong(bytesMax);
        // A copy: the chunk is its sender's again when the next one is asked for.
        parts.push(next.value.slice());
        length += next.value.length;
      }
      return false;
    } catch (failure) {
      if (isRegistryError(failure, 'oci/size')) await chunks.return?.();
      this.#held.set(id, concatBytes(...parts));
      // Whoever goes on with it may do so after a restart.
      if (length > 0) {
        await this.#writeBytes(id);
        await this.#writeFacts(id);
      }
      throw failure;
    } finally {
      if (this.#held.has(id)) this.#held.set(id, concatBytes(...parts));
    }
  }

  /**
   * The bytes of a session get a file; {@link #writeFacts} gives it the other. A crash between them leaves one alone, which the next
   * start removes: nobody goes on with a session whose last bytes are coming, unless they break off.
   */
  async #writeBytes(id: string): Promise<number> {
    const held = this.#held.get(id) ?? NO_BYTES;
    await writeOrRemove(this.#fileOf(id), held);
    this.#held.delete(id);
    this.#factless.add(id);
    const hash = createHash('sha256').update(held);
    this.#hashing.set(id, { now: { hash, length: held.length }, before: null });
    return held.length;
  }

  async #writeFacts(id: string): Promise<void> {
    if (!this.#factless.has(id)) return;
    await writeOrRemove(factsFile(this.#fileOf(id)), utf8(JSON.stringify(this.#facts.get(id))));
    this.#factless.delete(id);
  }

  async #appendToFile(
    id: string,
    body: AsyncIterable<Uint8Array>,
    { length, bytesMax }: { readonly length: number; readonly bytesMax: number },
  ): Promise<number> {
    return this.#opened(id, async (handle, file) => {
      const before = await this.#hashedTo(id, { handle, file, length });
      const hash = before.hash.copy();
      const writer = new BlockWriter({ handle, file, position: length, hash });
      // Until all is written nobody knows how much of it is there: where writing fails, it is read again.
      this.#hashing.delete(id);
      try {
        await fillBlocks(writer, body, bytesMax);
      } finally {
        await writer.end();
        const isLonger = writer.length > length;
        const after = isLonger ? { now: { hash, length: writer.length }, before } : { now: before, before: null };
        this.#hashing.set(id, after);
      }
      return writer.length;
    });
  }

  async truncate(id: string, length: number): Promise<void> {
    const session = await this.#require(id);
    if (length > session.length)
      throw new RegistryError('oci/range', `the upload has ${session.length} bytes, not ${length}`);
    const held = this.#held.get(id);
    if (held !== undefined) {
      this.#held.set(id, held.slice(0, length));
      return;
    }
    const known = this.#hashing.get(id);
    const kept = [known?.now, known?.before].find((hashed) => hashed?.length === length);
    this.#hashing.delete(id);
    const file = this.#fileOf(id);
    await withFileFailures(file, () => truncate(file, length), 'storage/failed');
    if (kept !== undefined && kept !== null) this.#hashing.set(id, { now: kept, before: null });
  }

  async finish(id: string, digest: OciDigest): Promise<number> {
    const { length } = await this.#require(id);
    const algorithm = algorithmOf(digest);
    const held = this.#held.get(id);
    const found =
      held === undefined
        ? await this.#opened(id, (handle, file) => this.#digestOf(id, { algorithm, handle, file, length }))
        : ociDigestOf(algorithm, held);
    if (found !== digest) {
      await this.#remove(id);
      throw new RegistryError('oci/digest-mismatch', `what was uploaded is not ${digest}`, { digest, found });
    }
    if (held !== undefined) {
      try {
        await this.#blobs.keep(digest, held);
      } finally {
        await this.#forget(id);
      }
      return length;
    }
    await this.#blobs.take(this.#fileOf(id), digest);
    // A crash before this leaves a session without bytes, which the next start removes.
    await this.#forget(id);
    return length;
  }

  async cancel(id: string): Promise<boolean> {
    if ((await this.find(id)) === null) return false;
    await this.#remove(id);
    return true;
  }

  async *list(): AsyncGenerator<UploadSession, void, undefined> {
    const written = await withFileFailures(this.#folder, () => readdir(this.#folder));
    for (const name of [...this.#held.keys(), ...written]) {
      const session = await this.find(name);
      if (session !== null) yield session;
    }
  }

  /** Removes what is no whole session: what a process left that died between two steps. */
  async removeLeftovers(): Promise<void> {
    const names = new Set(await withFileFailures(this.#folder, () => readdir(this.#folder)));
    for (const name of names) {
      const id = name.replace(/\.json$/, '');
      if (names.has(id) && names.has(`${id}.json`) && (await this.find(id)) !== null) continue;
      const file = path.join(this.#folder, name);
      await withFileFailures(file, () => rm(file, { recursive: true, force: true }), 'storage/failed');
    }
  }

  #fileOf(id: string): string {
    return path.join(this.#folder, id);
  }

  async #require(id: string): Promise<UploadSession> {
    const session = await this.find(id);
    if (session === null) throw new RegistryError('oci/upload-unknown', `there is no upload ${id.slice(0, 80)}`);
    return session;
  }

  async #opened<T>(id: string, work: (handle: FileHandle, file: string) => Promise<T>): Promise<T> {
    const file = this.#fileOf(id);
    const handle = await withFileFailures(file, () => open(file, constants.O_RDWR | noFollow()), 'storage/failed');
    try {
      return await work(handle, file);
    } finally {
      await handle.close();
    }
  }

  /** From memory, else from the bytes that are there. */
  async #hashedTo(id: string, opened: Opened): Promise<Hashed> {
    const known = this.#hashing.get(id)?.now;
    if (known?.length === opened.length) return known;
    return { hash: await hashFile('sha256', opened), length: opened.length };
  }

  async #digestOf(
    id: string,
    { algorithm, ...opened }: Opened & { readonly algorithm: OciAlgorithm },
  ): Promise<string> {
    const hash =
      algorithm === 'sha256' ? (await this.#hashedTo(id, opened)).hash.copy() : await hashFile(algorithm, opened);
    return `${algorithm}:${hash.digest('hex')}`;
  }

  /** Who began it goes last: without it the bytes would not be found again before the next start. */
  async #remove(id: string): Promise<void> {
    const file = this.#fileOf(id);
    if (!this.#held.has(id)) await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
    await this.#forget(id);
  }

  async #forget(id: string): Promise<void> {
    this.#facts.delete(id);
    this.#hashing.delete(id);
    if (this.#held.delete(id) || this.#factless.delete(id)) return;
    const file = factsFile(this.#fileOf(id));
    await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
  }
}

/** Who began a session, beside its bytes. */
function factsFile(file: string): string {
  return `${file}.json`;
}

async function writeOrRemove(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeNew(file, bytes);
  } catch (failure) {
    await rm(file, { force: true }).catch(() => undefined);
    throw failure;
  }
}

async function fillBlocks(writer: BlockWriter, body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<void> {
  for await (const chunk of body) {
    if (writer.length + chunk.length > bytesMax) throw tooLong(bytesMax);
    await writer.add(chunk);
  }
}

function tooLong(bytesMax: number): RegistryError {
  return new RegistryError('oci/size', `a blob has at most ${bytesMax} bytes`, { bytesMax });
}

interface Opened {
  readonly handle: FileHandle;
  readonly file: string;
  readonly length: number;
}

async function hashFile(algorithm: OciAlgorithm, { handle, file, length }: Opened): Promise<Hash> {
  const hash = createHash(algorithm);
  for await (const chunk of fileChunks(handle, file, { start: 0, end: length })) hash.update(chunk);
  return hash;
}

/** Nearly always in the system's memory: asking there costs less than having a thread ask. */
function lstatUnlessGone(file: string): Stats | null {
  return withFileFailuresSync(file, () => lstatSync(file, { throwIfNoEntry: false })) ?? null;
}

/** `null` for what is missing, or was not written to its end. */
async function readFacts(file: string, id: string): Promise<SessionFacts | null> {
  const handle = await openUnlessGone(factsFile(file));
  if (handle === null) return null;
  try {
    return parseFacts(id, await withFileFailures(file, () => readFile(handle)));
  } finally {
    await handle.close();
  }
}

function parseFacts(id: string, bytes: Uint8Array): SessionFacts | null {
  try {
    const facts = parseJson(bytes);
    if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) return null;
    const { repository, account, startedAtMs } = facts;
    if (typeof repository !== 'string' || typeof startedAtMs !== 'number') return null;
    if (account !== null && typeof account !== 'string') return null;
    return { id, repository: parseRepository(repository), account, startedAtMs };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    return null;
  }
}
