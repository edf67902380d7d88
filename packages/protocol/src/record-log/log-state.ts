import { RegistryError } from '../errors.ts';
import type { RecordId } from '../names/log-id.ts';
import type { PublicKey } from '../names/key.ts';
import type { Timestamp } from '../names/timestamp.ts';

/** The newest record of a log. */
export interface LogHead {
  readonly id: RecordId;
  readonly time: Timestamp;
}

/**
 * What replaying a log so far has established. `P` is the log's set of permissions, `B` what a name is bound to:
 * a release by version, or a namespace. Written only by {@link LogDraft.accept}.
 */
export interface LogState<P extends string, B> {
  readonly head: LogHead | null;
  /** Records accepted so far. */
  readonly length: number;
  /** Key id → live permissions. A key without any stays, with an empty set. */
  readonly permissions: ReadonlyMap<string, ReadonlySet<P>>;
  /** Key id → key. Keys are never forgotten. */
  readonly keys: ReadonlyMap<string, PublicKey>;
  /** In the order of first binding. */
  readonly bindings: ReadonlyMap<string, B>;
}

interface MutableState<P extends string, B> extends LogState<P, B> {
  head: LogHead | null;
  length: number;
  readonly permissions: Map<string, ReadonlySet<P>>;
  readonly keys: Map<string, PublicKey>;
  readonly bindings: Map<string, B>;
}

/** A log of which nothing is known yet. */
export function emptyLogState<P extends string, B>(): LogState<P, B> {
  return { head: null, length: 0, permissions: new Map(), keys: new Map(), bindings: new Map() };
}

/** True once `init` was seen. */
export function isInitialised(state: Pick<LogState<string, unknown>, 'length'>): boolean {
  return state.length > 0;
}

/**
 * What one record would change, over a state that it leaves untouched. The record's rules write here; a failed record's
 * draft is dropped, an accepted one's is merged in time proportional to the record, not to the log.
 */
export class LogDraft<P extends string, B> {
  readonly #base: LogState<P, B>;
  readonly #permissions = new Map<string, ReadonlySet<P>>();
  readonly #keys = new Map<string, PublicKey>();
  readonly #bindings = new Map<string, B>();
  #initialised: boolean;
  #head: LogHead | null = null;

  constructor(base: LogState<P, B>) {
    this.#base = base;
    this.#initialised = isInitialised(base);
  }

  get initialised(): boolean {
    return this.#initialised;
  }

  initialise(): void {
    this.#initialised = true;
  }

  permissionsOf(keyId: string): ReadonlySet<P> {
    return this.#permissions.get(keyId) ?? this.#base.permissions.get(keyId) ?? new Set();
  }

  setPermissions(keyId: string, permissions: ReadonlySet<P>): void {
    this.#permissions.set(keyId, permissions);
  }

  key(keyId: string): PublicKey | undefined {
    return this.#keys.get(keyId) ?? this.#base.keys.get(keyId);
  }

  addKey(key: PublicKey): void {
    this.#keys.set(key.id, key);
  }

  binding(name: string): B | undefined {
    return this.#bindings.get(name) ?? this.#base.bindings.get(name);
  }

  bind(name: string, binding: B): void {
    this.#bindings.set(name, binding);
  }

  /** The names this record binds or changes. */
  get boundNames(): string[] {
    return [...this.#bindings.keys()];
  }

  /** The key ids whose permissions this record changes. */
  get touchedKeyIds(): string[] {
    return [...this.#permissions.keys()];
  }

  setHead(head: LogHead): void {
    this.#head = head;
  }

  /**
   * Merges the draft and gives the new state. The old state is spent, as a moved value is in Rust: it must not be used
   * again. Throws TypeError when the state has moved on since the draft was made.
   */
  accept(): LogState<P, B> {
    const base = this.#base;
    const next = takeState(base);
    if (this.#head === null) throw new TypeError('a draft without a head was accepted');
    for (const [keyId, permissions] of this.#permissions) next.permissions.set(keyId, permissions);
    for (const [keyId, key] of this.#keys) next.keys.set(keyId, key);
    for (const [name, binding] of this.#bindings) next.bindings.set(name, binding);
    next.head = this.#head;
    next.length = base.length + 1;
    return next;
  }
}

const spentStates = new WeakSet<object>();

function takeState<P extends string, B>(state: LogState<P, B>): MutableState<P, B> {
  if (spentStates.has(state)) throw new TypeError('this log state has moved on');
  spentStates.add(state);
  const { permissions, keys, bindings } = state;
  if (!(permissions instanceof Map && keys instanceof Map && bindings instanceof Map)) {
    throw new TypeError('not a log state of this module');
  }
  return { head: state.head, length: state.length, permissions, keys, bindings };
}

/** Throws `record/unauthorized` unless the signer holds `permission`. */
export function requirePermission<P extends string, B>(draft: LogDraft<P, B>, keyId: string, permission: P): void {
  if (draft.permissionsOf(keyId).has(permission)) return;
  throw new RegistryError('record/unauthorized', `key ${keyId} does not hold the permission ${permission}`, {
    keyId,
    permission,
  });
}
