import { RegistryError } from '@waybill/protocol';
import {
  ACCOUNT_SESSIONS_MAX,
  ACCOUNT_UPLOAD_BYTES_MAX,
  UNKNOWN_SESSIONS_MAX,
  UNKNOWN_UPLOAD_BYTES_MAX,
  UPLOAD_BYTES_MAX,
  UPLOAD_SESSIONS_MAX,
} from '../limits.ts';

interface Share {
  readonly sessions: number;
  readonly bytes: number;
}

const NOTHING: Share = { sessions: 0, bytes: 0 };
const ALL: Share = { sessions: UPLOAD_SESSIONS_MAX, bytes: UPLOAD_BYTES_MAX };
const OF_ACCOUNT: Share = { sessions: ACCOUNT_SESSIONS_MAX, bytes: ACCOUNT_UPLOAD_BYTES_MAX };
const OF_UNKNOWN: Share = { sessions: UNKNOWN_SESSIONS_MAX, bytes: UNKNOWN_UPLOAD_BYTES_MAX };

/** What unfinished uploads take, and what they may: nobody has all of it (SECURITY.md O5). An account is `null` for nobody known. */
export class UploadShares {
  readonly #used = new Map<string | null, Share>();
  #total = NOTHING;

  get sessions(): number {
    return this.#total.sessions;
  }

  /** Whose unfinished uploads leave no room for another: `all` of them, or the account's `own`. */
  full(account: string | null): 'all' | 'own' | null {
    if (isOver(this.#total, ALL)) return 'all';
    return isOver(this.#of(account), maxOf(account)) ? 'own' : null;
  }

  /** Throws `request/too-many`. */
  requireRoom(account: string | null): void {
    const full = this.full(account);
    if (full !== null) throw noRoom(account, full);
  }

  /** Throws `request/too-many` for more bytes than there is room for, and counts none of them then. */
  grow(account: string | null, bytes: number): void {
    const more = { sessions: 0, bytes };
    if (plus(this.#total, more).bytes > ALL.bytes) throw noRoom(account, 'all');
    if (plus(this.#of(account), more).bytes > maxOf(account).bytes) throw noRoom(account, 'own');
    this.add(account, more);
  }

  /** Less than nothing where something ended. */
  add(account: string | null, more: Share): void {
    this.#total = plus(this.#total, more);
    const used = plus(this.#of(account), more);
    if (used.sessions === 0 && used.bytes === 0) this.#used.delete(account);
    else this.#used.set(account, used);
  }

  #of(account: string | null): Share {
    return this.#used.get(account) ?? NOTHING;
  }
}

function maxOf(account: string | null): Share {
  return account === null ? OF_UNKNOWN : OF_ACCOUNT;
}

function isOver(used: Share, max: Share): boolean {
  return used.sessions >= max.sessions || used.bytes >= max.bytes;
}

function plus(a: Share, b: Share): Share {
  return { sessions: a.sessions + b.sessions, bytes: a.bytes + b.bytes };
}

function noRoom(account: string | null, full: 'all' | 'own'): RegistryError {
  const whose = full === 'all' ? 'this registry has' : `${account ?? 'whoever shows no token'} has`;
  const message = `${whose} as many unfinished uploads, or bytes of them, as there may be: finish or cancel one, or come back later`;
  return new RegistryError('request/too-many', message);
}
