import { RegistryError } from '@waybill/protocol';
import type { RepositoryName } from '@waybill/protocol/oci';
import {
  ACCOUNT_SESSIONS_MAX,
  UPLOAD_IDLE_MS,
  UPLOAD_IDLE_OF_FULL_MS,
  UPLOAD_IDLE_OF_MANY_MS,
  UPLOAD_SESSIONS_MANY,
  UPLOAD_SESSIONS_MAX,
} from '../limits.ts';
import type { UploadSession, UploadStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';

interface OpenSession {
  readonly account: string | null;
  readonly touchedAtMs: number;
}

/** Which uploads are unfinished, and how many there may be: those that nobody goes on with end by themselves (SECURITY.md O5). */
export class UploadSessions {
  readonly #store: UploadStore;
  readonly #clock: Clock;
  /** Touched longest ago first. */
  readonly #open: Map<string, OpenSession>;
  readonly #busy = new Set<string>();
  /** Of accounts, `null` for nobody known: with those that are on their way to the store. */
  readonly #counts = new Map<string | null, number>();
  #total = 0;

  private constructor(store: UploadStore, clock: Clock, open: Map<string, OpenSession>) {
    this.#store = store;
    this.#clock = clock;
    this.#open = open;
    for (const { account } of open.values()) this.#count(account, 1);
  }

  /** With what an earlier process left. */
  static async open(store: UploadStore, clock: Clock): Promise<UploadSessions> {
    const found: UploadSession[] = [];
    for await (const session of store.list()) found.push(session);
    found.sort((a, b) => a.touchedAtMs - b.touchedAtMs);
    return new UploadSessions(store, clock, new Map(found.map((session) => [session.id, session])));
  }

  get length(): number {
    return this.#total;
  }

  /** Throws `request/too-many`. */
  async start(repository: RepositoryName, account: string | null): Promise<UploadSession> {
    if (this.#total >= UPLOAD_SESSIONS_MAX) await this.#expire(UPLOAD_IDLE_OF_FULL_MS);
    if (this.#total >= UPLOAD_SESSIONS_MAX) {
      throw new RegistryError(
        'request/too-many',
        `there are ${UPLOAD_SESSIONS_MAX} unfinished uploads: come back later`,
      );
    }
    if (account !== null && (this.#counts.get(account) ?? 0) >= ACCOUNT_SESSIONS_MAX) {
      const message = `${account} has ${ACCOUNT_SESSIONS_MAX} unfinished uploads: finish or cancel one`;
      throw new RegistryError('request/too-many', message);
    }
    this.#count(account, 1);
    try {
      const session = await this.#store.start({ repository, account });
      this.#open.set(session.id, { account, touchedAtMs: this.#clock() });
      return session;
    } catch (failure) {
      this.#count(account, -1);
      throw failure;
    }
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
    this.#count(session.account, -1);
  }

  /** Ends the session, if it is there. */
  async cancel(id: string): Promise<void> {
    await this.#store.cancel(id);
    this.forget(id);
  }

  /** Ends those that were touched too long ago. */
  async expire(): Promise<void> {
    await this.#expire(this.#total > UPLOAD_SESSIONS_MANY ? UPLOAD_IDLE_OF_MANY_MS : UPLOAD_IDLE_MS);
  }

  async #expire(idleMs: number): Promise<void> {
    const beforeMs = this.#clock() - idleMs;
    for (const [id, { touchedAtMs }] of this.#open) {
      // One that is touched meanwhile goes to the end.
      if (touchedAtMs > beforeMs) return;
      if (!this.#busy.has(id)) await this.alone(id, () => this.cancel(id));
    }
  }

  #touch(id: string): void {
    const session = this.#open.get(id);
    if (session === undefined) return;
    this.#open.delete(id);
    this.#open.set(id, { ...session, touchedAtMs: this.#clock() });
  }

  #count(account: string | null, by: 1 | -1): void {
    this.#total += by;
    const count = (this.#counts.get(account) ?? 0) + by;
    if (count === 0) this.#counts.delete(account);
    else this.#counts.set(account, count);
  }
}
