import { RegistryError } from '@waybill/protocol';
import type { RepositoryName } from '@waybill/protocol/oci';
import { UPLOAD_IDLE_MS, UPLOAD_IDLE_OF_FULL_MS, UPLOAD_IDLE_OF_MANY_MS, UPLOAD_SESSIONS_MANY } from '../limits.ts';
import type { UploadSession, UploadStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';
import { UploadShares } from './upload-shares.ts';

interface OpenSession {
  readonly account: string | null;
  readonly touchedAtMs: number;
  /** Bytes that count as its own. */
  readonly length: number;
}

/** Which uploads are unfinished, and how many there may be: those that nobody goes on with end by themselves (SECURITY.md O5). */
export class UploadSessions {
  readonly #store: UploadStore;
  readonly #clock: Clock;
  /** Touched longest ago first. */
  readonly #open: Map<string, OpenSession>;
  readonly #busy = new Set<string>();
  /** With those that are on their way to the store. */
  readonly #shares = new UploadShares();

  private constructor(store: UploadStore, clock: Clock, open: Map<string, OpenSession>) {
    this.#store = store;
    this.#clock = clock;
    this.#open = open;
    for (const { account, length } of open.values()) this.#shares.add(account, { sessions: 1, bytes: length });
  }

  /** With what an earlier process left. */
  static async open(store: UploadStore, clock: Clock): Promise<UploadSessions> {
    const found: UploadSession[] = [];
    for await (const session of store.list()) found.push(session);
    found.sort((a, b) => a.touchedAtMs - b.touchedAtMs);
    return new UploadSessions(store, clock, new Map(found.map((session) => [session.id, session])));
  }

  get length(): number {
    return this.#shares.sessions;
  }

  /** Throws `request/too-many`. */
  async start(repository: RepositoryName, account: string | null): Promise<UploadSession> {
    const full = this.#shares.full(account);
    if (full !== null) await this.#expire(UPLOAD_IDLE_OF_FULL_MS, full === 'all' ? null : { account });
    this.#shares.requireRoom(account);
    this.#shares.add(account, { sessions: 1, bytes: 0 });
    try {
      const session = await this.#store.start({ repository, account });
      this.#open.set(session.id, { account, touchedAtMs: this.#clock(), length: 0 });
      return session;
    } catch (failure) {
      this.#shares.add(account, { sessions: -1, bytes: 0 });
      throw failure;
    }
  }

  /** A body on its way into the session, counted as it comes. It throws `request/too-many` before a chunk without room. */
  async *counted(id: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      const session = this.#open.get(id);
      if (session !== undefined) {
        this.#shares.grow(session.account, chunk.length);
        this.#open.set(id, { ...session, length: session.length + chunk.length });
      }
      yield chunk;
    }
  }

  /** What the store has of the session, however its last body ended. */
  async recount(id: string): Promise<void> {
    const found = await this.#store.find(id);
    const session = this.#open.get(id);
    if (found === null || session === undefined) return;
    this.#shares.add(session.account, { sessions: 0, bytes: found.length - session.length });
    this.#open.set(id, { ...session, length: found.length });
  }

  /** Throws `oci/upload-unknown`, alike for one that is not there and one that is somebody else's. */
  async require(id: string, repository: RepositoryName, account: string | null): Promise<UploadSession> {
    const session = await this.#store.find(id);
    const isTheirs = session?.account === null || session?.account === account;
    if (session !== null && session.repository === repository && isTheirs) return session;
    throw new RegistryError('oci/upload-unknown', 'there is no such upload: it was finished, cancelled or has expired');
  }

  /** One request at a time works on a session. Throws `oci/range` while another does: it has the session move on. */
  async alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(id)) {
      throw new RegistryError(
        'oci/range',
        'another request is writing to this upload: ask where it ends, and go on there',
      );
    }
    this.#busy.add(id);
    try {
      return await work();
    } finally {
      this.#busy.delete(id);
      this.#touch(id);
    }
  }

  /** The session has ended. */
  forget(id: string): void {
    const session = this.#open.get(id);
    if (session === undefined) return;
    this.#open.delete(id);
    this.#shares.add(session.account, { sessions: -1, bytes: -session.length });
  }

  /** Ends the session, if it is there. */
  async cancel(id: string): Promise<void> {
    await this.#store.cancel(id);
    this.forget(id);
  }

  /** Ends those that were touched too long ago. */
  async expire(): Promise<void> {
    await this.#expire(this.length > UPLOAD_SESSIONS_MANY ? UPLOAD_IDLE_OF_MANY_MS : UPLOAD_IDLE_MS, null);
  }

  /** `whose`: `null` for everybody's. */
  async #expire(idleMs: number, whose: Pick<OpenSession, 'account'> | null): Promise<void> {
    const beforeMs = this.#clock() - idleMs;
    for (const [id, { account, touchedAtMs }] of this.#open) {
      // One that is touched meanwhile goes to the end.
      if (touchedAtMs > beforeMs) return;
      if (whose !== null && whose.account !== account) continue;
      if (!this.#busy.has(id)) await this.alone(id, () => this.cancel(id));
    }
  }

  #touch(id: string): void {
    const session = this.#open.get(id);
    if (session === undefined) return;
    this.#open.delete(id);
    this.#open.set(id, { ...session, touchedAtMs: this.#clock() });
  }
}
