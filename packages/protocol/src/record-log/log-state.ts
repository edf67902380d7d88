import { RegistryError } from '../errors.ts';
import type { RecordId } from '../names/log-id.ts';
import type { PublicKey } from '../names/key.ts';
import type { Timestamp } from '../names/timestamp.ts';

/** The newest record of a log. */
export interface LogHead {
  readonly id: RecordId;
  readonly time: Timestamp;
}

interface StateMaps<P extends string, B> {
  readonly permissions: Map<string, ReadonlySet<P>>;
  readonly keys: Map<string, PublicKey>;
  readonly bindings: Map<string, B>;
}

/**
 * What replaying a log so far has established. `P` is the log's set of permissions, `B` what a name is bound to: a release
 * by version, or a namespace. A state moves on: once a record was accepted onto it only its successor may be used, as with
 * a moved value in Rust; reading a spent one throws TypeError. So accepting costs what the record changes, not what the log
 * holds.
 */
export class LogState<P extends string, B> {
  readonly head: LogHead | null;
  /** Records accepted so far. */
  readonly length: number;
  #maps: StateMaps<P, B> | null;

  private constructor(head: LogHead | null, length: number, maps: StateMaps<P, B>) {
    this.head = head;
    this.length = length;
    this.#maps = maps;
  }

  /** A log of which nothing is known yet. */
  static empty<P extends string, B>(): LogState<P, B> {
    return new LogState<P, B>(null, 0, { permissions: new Map(), keys: new Map(), bindings: new Map() });
  }

  /** Key id → live permissions. A key without any stays, with an empty set. */
  get permissions(): ReadonlyMap<string, ReadonlySet<P>> {
    return this.#live.permissions;
  }

  /** Key id → key. Keys are never forgotten. */
  get keys(): ReadonlyMap<string, PublicKey> {
    return this.#live.keys;
  }

  /** In the order of first binding. */
  get bindings(): ReadonlyMap<string, B> {
    return this.#live.bindings;
  }

  /** The state after one more record; this one is spent. For {@link LogDraft.accept}. */
  advance(head: LogHead, changes: StateMaps<P, B>): LogState<P, B> {
    const maps = this.#live;
    for (const [keyId, permissions] of changes.permissions) maps.permissions.set(keyId, permissions);
    for (const [keyId, key] of changes.keys) maps.keys.set(keyId, key);
    for (const [name, binding] of changes.bindings) maps.bindings.set(name, binding);
    this.#maps = null;
    return new LogState(head, this.length + 1, maps);
  }

  get #live(): StateMaps<P, B> {
    if (this.#maps === null) throw new TypeError('this log state has moved on');
    return this.#maps;
  }
}

/** A log of which nothing is known yet. */
export function emptyLogState<P extends string, B>(): LogState<P, B> {
  return LogState.empty();
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
    this.#initialised = base.length > 0;
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

  /** The state after the record; the one before it is spent. Throws TypeError when that has moved on meanwhile. */
  accept(): LogState<P, B> {
    if (this.#head === null) throw new TypeError('a draft without a head was accepted');
    return this.#base.advance(this.#head, {
      permissions: this.#permissions,
      keys: this.#keys,
      bindings: this.#bindings,
    });
  }
}

/** Throws `record/unauthorized` unless the signer holds `permission`. */
export function requirePermission<P extends string, B>(draft: LogDraft<P, B>, keyId: string, permission: P): void {
  if (draft.permissionsOf(keyId).has(permission)) return;
  throw new RegistryError('record/unauthorized', `key ${keyId} does not hold the permission ${permission}`, {
    keyId,
    permission,
  });
}
