import { RegistryError } from '../errors.ts';
import { parseJosePublicKey, type JosePublicKey } from '../jose/public-key.ts';
import type { RecordId } from '../names/log-id.ts';
import type { PublicKey } from '../names/key.ts';
import type { Timestamp } from '../names/timestamp.ts';
import type { RecordBinding } from '../wire/record.ts';
import type { Grant, GrantId } from './authority/grant.ts';
import type { Holder } from './authority/holder.ts';
import type { Authority } from './authority/verdict.ts';

/** The newest record of a log. */
export interface LogHead {
  readonly id: RecordId;
  readonly time: Timestamp;
}

/** Which log it is, and the origin of the registry that it lives in: spec/version1.md 1.3. */
export type LogHome = Pick<RecordBinding, 'log' | 'origin'>;

/** The entry of version 0 that gave a permission: what its grant is named after (spec/version1.md 7.6). */
export interface Giver {
  readonly recordId: RecordId;
  readonly entryIndex: number;
}

interface StateMaps<P extends string, B> {
  readonly permissions: Map<string, ReadonlyMap<P, Giver>>;
  readonly keys: Map<string, PublicKey>;
  readonly bindings: Map<string, B>;
}

function emptyMaps<P extends string, B>(): StateMaps<P, B> {
  return { permissions: new Map(), keys: new Map(), bindings: new Map() };
}

/** What version 1 adds: who holds the root, every grant, and every key that may sign. */
interface AuthorityFacts {
  readonly root: Holder;
  readonly grants: Map<GrantId, Grant>;
  readonly signingKeys: Map<string, JosePublicKey>;
}

interface StateFacts<P extends string, B> {
  readonly home: LogHome | null;
  readonly origin: string | null;
  readonly head: LogHead | null;
  readonly length: number;
  readonly maps: StateMaps<P, B>;
  /** `null` before the first record of version 1. */
  readonly authority: AuthorityFacts | null;
}

/** What one record has changed. */
interface Advance<P extends string, B> {
  readonly head: LogHead;
  readonly origin: string | null;
  readonly changes: StateMaps<P, B>;
  readonly authority: AuthorityFacts | null;
}

/**
 * What replaying a log so far has established. `P` is the log's set of permissions of version 0, `B` what a name is bound
 * to: a release by version, or a namespace. A state moves on: once a record was accepted onto it only its successor may be
 * used, as with a moved value in Rust; reading a spent one throws TypeError. So accepting costs what the record changes, not
 * what the log holds.
 */
export class LogState<P extends string, B> implements Authority {
  /** `null` where it is not known: no record of version 1 can be judged then. */
  readonly home: LogHome | null;
  /** The origin that the profile of an operator log names; `null` without one. */
  readonly origin: string | null;
  readonly head: LogHead | null;
  /** Records accepted so far. */
  readonly length: number;
  /** Who holds the root; `null` before the first record of version 1. */
  readonly root: Holder | null;
  #maps: StateMaps<P, B> | null;
  readonly #authority: AuthorityFacts | null;

  private constructor({ home, origin, head, length, maps, authority }: StateFacts<P, B>) {
    this.home = home;
    this.origin = origin;
    this.head = head;
    this.length = length;
    this.root = authority?.root ?? null;
    this.#maps = maps;
    this.#authority = authority;
  }

  /** A log of which nothing is known yet. */
  static empty<P extends string, B>(home: LogHome | null): LogState<P, B> {
    return new LogState<P, B>({ home, origin: null, head: null, length: 0, maps: emptyMaps(), authority: null });
  }

  /** Key id → live permissions of version 0, and what gave them. A key without any stays. None after the upgrade. */
  get permissions(): ReadonlyMap<string, ReadonlyMap<P, Giver>> {
    return this.#live.permissions;
  }

  /** Key id → key of version 0. Keys are never forgotten. */
  get keys(): ReadonlyMap<string, PublicKey> {
    return this.#live.keys;
  }

  /** In the order of first binding. */
  get bindings(): ReadonlyMap<string, B> {
    return this.#live.bindings;
  }

  /** Every grant there ever was, in the order of their making. */
  get grants(): ReadonlyMap<GrantId, Grant> {
    return this.#liveAuthority?.grants ?? NO_GRANTS;
  }

  grant(id: GrantId): Grant | undefined {
    return this.#liveAuthority?.grants.get(id);
  }

  /** A key that may sign records of version 1. */
  signingKey(keyId: string): JosePublicKey | undefined {
    return this.#liveAuthority?.signingKeys.get(keyId);
  }

  /** The text of a key that the log knows, of whichever version. */
  keyText(keyId: string): string | null {
    return (this.signingKey(keyId) ?? this.#live.keys.get(keyId))?.text ?? null;
  }

  /** The state after one more record; this one is spent. For {@link LogDraft.accept}. */
  advance({ head, origin, changes, authority }: Advance<P, B>): LogState<P, B> {
    const maps = this.#live;
    mergeInto(maps.permissions, changes.permissions);
    mergeInto(maps.keys, changes.keys);
    mergeInto(maps.bindings, changes.bindings);
    // What version 0 gave lives on as grants.
    if (this.#authority === null && authority !== null) maps.permissions.clear();
    const merged = authority === null ? this.#authority : this.#mergedWith(authority);
    this.#maps = null;
    return new LogState({ home: this.home, origin, head, length: this.length + 1, maps, authority: merged });
  }

  #mergedWith({ root, grants, signingKeys }: AuthorityFacts): AuthorityFacts {
    const former = this.#authority;
    if (former === null) return { root, grants, signingKeys };
    mergeInto(former.grants, grants);
    mergeInto(former.signingKeys, signingKeys);
    return { root, grants: former.grants, signingKeys: former.signingKeys };
  }

  get #live(): StateMaps<P, B> {
    if (this.#maps === null) throw new TypeError('this log state has moved on');
    return this.#maps;
  }

  get #liveAuthority(): AuthorityFacts | null {
    return this.#live && this.#authority;
  }
}

const NO_GRANTS: ReadonlyMap<GrantId, Grant> = new Map();

function mergeInto<K, V>(target: Map<K, V>, changes: ReadonlyMap<K, V>): void {
  for (const [key, value] of changes) target.set(key, value);
}

/** A log of which nothing is known yet but, for records of version 1, where it lives. */
export function emptyLogState<P extends string, B>(home: LogHome | null): LogState<P, B> {
  return LogState.empty(home);
}

/**
 * What one record would change, over a state that it leaves untouched. The record's rules write here; a failed record's
 * draft is dropped, an accepted one's is merged in time proportional to the record, not to the log.
 */
export class LogDraft<P extends string, B> implements Authority {
  readonly #base: LogState<P, B>;
  readonly #changes: StateMaps<P, B> = emptyMaps();
  /** `null` while the record changes nothing of it. */
  #authority: AuthorityFacts | null = null;
  #initialised: boolean;
  #origin: string | null;
  #head: LogHead | null = null;

  constructor(base: LogState<P, B>) {
    this.#base = base;
    this.#origin = base.origin;
    this.#initialised = base.length > 0;
  }

  get home(): LogHome | null {
    return this.#base.home;
  }

  get initialised(): boolean {
    return this.#initialised;
  }

  initialise(): void {
    this.#initialised = true;
  }

  permissionsOf(keyId: string): ReadonlyMap<P, Giver> {
    return this.#changes.permissions.get(keyId) ?? this.#base.permissions.get(keyId) ?? new Map<P, Giver>();
  }

  setPermissions(keyId: string, permissions: ReadonlyMap<P, Giver>): void {
    this.#changes.permissions.set(keyId, permissions);
  }

  /** What the profile of an operator log names. */
  get origin(): string | null {
    return this.#origin;
  }

  setOrigin(origin: string): void {
    this.#origin = origin;
  }

  /** Everything that version 0 has given and not taken. */
  get livePermissions(): ReadonlyMap<string, ReadonlyMap<P, Giver>> {
    return this.#base.permissions;
  }

  /** The first key of the log. */
  get initKey(): PublicKey | null {
    const [first] = this.#base.keys.values();
    const [drafted = null] = this.#changes.keys.values();
    return first ?? drafted;
  }

  key(keyId: string): PublicKey | undefined {
    return this.#changes.keys.get(keyId) ?? this.#base.keys.get(keyId);
  }

  addKey(key: PublicKey): void {
    this.#changes.keys.set(key.id, key);
  }

  /** A key that a holder has, or that version 0 knew. */
  signingKey(keyId: string): JosePublicKey | undefined {
    const known = this.#authority?.signingKeys.get(keyId) ?? this.#base.signingKey(keyId);
    const former = known === undefined ? this.key(keyId) : undefined;
    return former === undefined ? known : parseJosePublicKey(former.text);
  }

  binding(name: string): B | undefined {
    return this.#changes.bindings.get(name) ?? this.#base.bindings.get(name);
  }

  bind(name: string, binding: B): void {
    this.#changes.bindings.set(name, binding);
  }

  get root(): Holder | null {
    return this.#authority?.root ?? this.#base.root;
  }

  setRoot(root: Holder): void {
    this.#change(root, root);
  }

  grant(id: GrantId): Grant | undefined {
    return this.#authority?.grants.get(id) ?? this.#base.grant(id);
  }

  /** Adds a grant, or the same one revoked. Throws TypeError where there is no root yet. */
  setGrant(grant: Grant): void {
    const { root } = this;
    if (root === null) throw new TypeError('a grant without a root');
    this.#change(root, grant.holder).grants.set(grant.id, grant);
  }

  #change(root: Holder, { keys }: Holder): AuthorityFacts {
    const { grants = new Map<GrantId, Grant>(), signingKeys = new Map<string, JosePublicKey>() } =
      this.#authority ?? {};
    for (const key of keys) signingKeys.set(key.id, key);
    this.#authority = { root, grants, signingKeys };
    return this.#authority;
  }

  /** The grants that this record makes or revokes. */
  get touchedGrants(): Iterable<Grant> {
    return this.#authority?.grants.values() ?? [];
  }

  /** The key ids whose permissions this record changes. */
  get touchedKeyIds(): string[] {
    return [...this.#changes.permissions.keys()];
  }

  setHead(head: LogHead): void {
    this.#head = head;
  }

  /** The state after the record; the one before it is spent. Throws TypeError when that has moved on meanwhile. */
  accept(): LogState<P, B> {
    if (this.#head === null) throw new TypeError('a draft without a head was accepted');
    return this.#base.advance({
      head: this.#head,
      origin: this.#origin,
      changes: this.#changes,
      authority: this.#authority,
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
