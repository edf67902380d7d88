import { createHash, randomUUID, type Hash } from 'node:crypto';
import { constants, lstatSync, type Stats } from 'node:fs';
import { open, readdir, readFile, rm, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError, parseJson, RegistryError } from '@waybill/protocol';
import { algorithmOf, parseRepository, type OciAlgorithm, type OciDigest } from '@waybill/protocol/oci';
import type { UploadSession, UploadStore } from '../../core/oci-ports.ts';
import { FILE_MODE, noFollow, openUnlessGone } from '../durable-files.ts';
import { withFileFailures, withFileFailuresSync } from '../file-failure.ts';
import { fileChunks } from './file-chunks.ts';
import { writeAt, type OciBlobFiles } from './oci-blob-files.ts';
import { isSessionId, uploadsFolder } from './oci-places.ts';

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
  readonly #blobs: Pick<OciBlobFiles, 'take'>;
  readonly #facts = new Map<string, SessionFacts>();
  readonly #hashing = new Map<string, Hashing>();

  constructor(root: string, blobs: Pick<OciBlobFiles, 'take'>) {
    this.#folder = uploadsFolder(root);
    this.#blobs = blobs;
  }

  async start({ repository, account }: Pick<UploadSession, 'repository' | 'account'>): Promise<UploadSession> {
    const facts = { id: randomUUID(), repository, account, startedAtMs: Date.now() };
    const file = this.#fileOf(facts.id);
    const make = async (): Promise<void> => {
      await writeFile(file, '', { flag: 'wx', mode: FILE_MODE });
      // A crash on either side leaves a file without the other, which the next start removes.
      await writeFile(`${file}.json`, JSON.stringify(facts), { flag: 'wx', mode: FILE_MODE });
    };
    try {
      await withFileFailures(file, make, 'storage/failed');
    } catch (failure) {
      await this.#remove(facts.id).catch(() => undefined);
      throw failure;
    }
    this.#facts.set(facts.id, facts);
    const now = { hash: createHash('sha256'), length: 0 };
    this.#hashing.set(facts.id, { now, before: null });
    return { ...facts, touchedAtMs: facts.startedAtMs, length: 0 };
  }

  async find(id: string): Promise<UploadSession | null> {
    if (!isSessionId(id)) return null;
    const facts = this.#facts.get(id) ?? (await readFacts(this.#fileOf(id), id));
    const stat = facts && lstatUnlessGone(this.#fileOf(id));
    if (facts === null || stat === null || !stat.isFile()) return null;
    this.#facts.set(id, facts);
    return { ...facts, touchedAtMs: Math.floor(stat.mtimeMs), length: stat.size };
  }

  async append(id: string, body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<number> {
    const { length } = await this.#require(id);
    return this.#opened(id, async (handle, file) => {
      const before = await this.#hashedTo(id, { handle, file, length });
      const hash = before.hash.copy();
      let position = length;
      this.#hashing.set(id, { now: before, before: null });
      for await (const chunk of body) {
        if (position + chunk.length > bytesMax)
          throw new RegistryError('oci/size', `a blob has at most ${bytesMax} bytes`, { bytesMax });
        try {
          const writing = writeAt(handle, { file, chunk, position });
          hash.update(chunk);
          await writing;
        } catch (failure) {
          // Nobody knows how much of the chunk is there: it is read again.
          this.#hashing.delete(id);
          throw failure;
        }
        position += chunk.length;
        this.#hashing.set(id, { now: { hash, length: position }, before });
      }
      return position;
    });
  }

  async truncate(id: string, length: number): Promise<void> {
    const session = await this.#require(id);
    if (length > session.length)
      throw new RegistryError('oci/range', `the upload has ${session.length} bytes, not ${length}`);
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
    const found = await this.#opened(id, (handle, file) => this.#digestOf(id, { algorithm, handle, file, length }));
    if (found !== digest) {
      await this.#remove(id);
      throw new RegistryError('oci/digest-mismatch', `what was uploaded is not ${digest}`, { digest, found });
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
    for (const name of await withFileFailures(this.#folder, () => readdir(this.#folder))) {
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
    await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
    await this.#forget(id);
  }

  async #forget(id: string): Promise<void> {
    this.#facts.delete(id);
    this.#hashing.delete(id);
    const file = `${this.#fileOf(id)}.json`;
    await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
  }
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
  const handle = await openUnlessGone(`${file}.json`);
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
