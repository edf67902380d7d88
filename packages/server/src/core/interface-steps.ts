import {
  concatBytes,
  digestHex,
  encodeHex,
  isDigest,
  isRegistryError,
  messageOf,
  namespaceOf,
  RegistryError,
  sha256Stream,
  type AnyHash,
  type ContentClaim,
  type Digest,
  type PackageEntry,
  type PackageName,
  type Release,
  type SignedRecord,
  type VersionText,
} from '@waybill/protocol';
import {
  changeText,
  claimedKindOf,
  differenceLines,
  interfaceChange,
  neededStep,
  readInterface,
  releaseBefore,
  STEP_CONTENT_BYTES_MAX,
  stepFits,
  type InterfaceChange,
  type InterfaceReading,
} from '@waybill/protocol/content';
import type { GovernanceGate } from './governance-gate.ts';
import { DIFFERENCE_LENGTH_MAX, DIFFERENCES_TOLD_MAX, STEPPED_RELEASES_MAX } from './limits.ts';
import type { ContentStore } from './ports.ts';
import type { Reservation } from './reservations.ts';
import type { PackageStates } from './state-caches.ts';

export interface InterfaceStepsParts {
  readonly content: Pick<ContentStore, 'size' | 'read'>;
  readonly gate: Pick<GovernanceGate, 'policyFor' | 'admitContent'>;
  readonly packages: Pick<PackageStates, 'read'>;
  /** Told of content that is taken anew from whoever publishes it again. */
  readonly noteDamage: (digest: Digest) => void;
}

interface Stepped {
  readonly version: VersionText;
  readonly content: AnyHash;
  readonly claim: ContentClaim | null;
}

/** A version, and the release that it is held against. */
interface Step {
  readonly from: Stepped;
  readonly to: Stepped;
}

/** What content says in WIT; a text where it might, and cannot be read. */
type Reading = InterfaceReading | Lost | 'not a component' | { readonly unread: string };

type Lost = 'absent' | 'damaged';

/** Where a policy asks for it, a version is enough of a step for what changed in its interface: spec/admission.md 8. */
export class InterfaceSteps {
  readonly #parts: InterfaceStepsParts;
  /** One step is judged at a time, so that the contents of many are not in memory at once. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: InterfaceStepsParts) {
    this.#parts = parts;
  }

  /**
   * For a record whose content is here; resolves with what of it proves to be damaged, and has to come again. Throws
   * `release/step`, `admission/policy` for too many releases.
   */
  async require({ logId, name, record }: Pick<Reservation, 'logId' | 'name' | 'record'>): Promise<readonly Digest[]> {
    const released = record.entries.filter(({ type }) => type === 'release').length;
    if (released === 0) return [];
    const policy = await this.#parts.gate.policyFor(name);
    if (policy?.interfaceSteps !== 'required') return [];
    if (released > STEPPED_RELEASES_MAX) {
      const why = `the policy for namespace ${namespaceOf(name)} has the interface of each looked at: make several records`;
      throw new RegistryError(
        'admission/policy',
        `a record has more than ${STEPPED_RELEASES_MAX} releases, and ${why}`,
      );
    }
    const steps = await this.#parts.packages.read(logId, ({ bindings }) => stepsOf(record, bindings));
    const damaged = new Set<Digest>();
    for (const step of steps) await this.#inTurn(() => this.#judge(name, step, damaged));
    return [...damaged];
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    await done;
  }

  async #judge(name: PackageName, { from, to }: Step, damaged: Set<Digest>): Promise<void> {
    const after = await this.#read(to);
    if (after === 'damaged' && isDigest(to.content)) damaged.add(to.content);
    if (isLost(after) || after === 'not a component') return;
    const before = (await this.#isTakenDown(name, from)) ? 'absent' : await this.#read(from);
    if (isLost(before)) return;
    const compared = compare({ ...from, reading: before }, { ...to, reading: after });
    const fits = 'why' in compared ? stepFits('breaking', from.version, to.version) : compared.fits;
    if (fits === true) return;
    // Of what is no component, or too large for it, only the start was read.
    if ('why' in compared && (await this.#isLost(from))) return;
    throw tooSmall(name, { from, to }, compared);
  }

  async #isTakenDown(name: PackageName, { content }: Stepped): Promise<boolean> {
    try {
      if (isDigest(content)) await this.#parts.gate.admitContent(name, content);
      return false;
    } catch (failure) {
      if (isRegistryError(failure, 'content/taken-down')) return true;
      throw failure;
    }
  }

  async #read({ content: digest, claim }: Stepped): Promise<Reading> {
    if (!isDigest(digest)) return 'absent';
    try {
      const size = await this.#parts.content.size(digest);
      if (size === null) return 'absent';
      if (claimedKindOf(claim?.mediaType ?? null) === 'tree') return 'not a component';
      if (!isComponent(await this.#start(digest, size))) return 'not a component';
      if (size > STEP_CONTENT_BYTES_MAX) return { unread: `${digest} has more than ${STEP_CONTENT_BYTES_MAX} bytes` };
      return readInterface(await this.#whole(digest, size));
    } catch (failure) {
      if (isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy')) {
        return { unread: messageOf(failure) };
      }
      return this.#lost(digest, failure);
    }
  }

  /** Whether content is no longer what its digest says, also where it was not read to the end. */
  async #isLost({ content: digest }: Stepped): Promise<boolean> {
    if (!isDigest(digest)) return true;
    try {
      const size = await this.#parts.content.size(digest);
      if (size === null) return true;
      await this.#readHashed(digest, size, () => undefined);
      return false;
    } catch (failure) {
      this.#lost(digest, failure);
      return true;
    }
  }

  /** Damage says nothing of a record: it is noted. Throws what is neither that nor missing. */
  #lost(digest: Digest, failure: unknown): Lost {
    if (isRegistryError(failure, 'content/not-found')) return 'absent';
    if (!isRegistryError(failure, 'storage/damaged')) throw failure;
    this.#parts.noteDamage(digest);
    return 'damaged';
  }

  async #start(digest: Digest, size: number): Promise<Uint8Array> {
    const end = Math.min(size, PREAMBLE.length);
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#parts.content.read(digest, { start: 0, end })) chunks.push(chunk);
    return concatBytes(...chunks);
  }

  async #whole(digest: Digest, size: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    await this.#readHashed(digest, size, (chunk) => chunks.push(chunk));
    return concatBytes(...chunks);
  }

  /** Throws `storage/damaged` for bytes of another digest, and what reading throws. */
  async #readHashed(digest: Digest, size: number, take: (chunk: Uint8Array) => void): Promise<void> {
    const hash = sha256Stream();
    for await (const chunk of this.#parts.content.read(digest, { start: 0, end: size })) {
      hash.update(chunk);
      take(chunk);
    }
    if (encodeHex(hash.digest()) === digestHex(digest)) return;
    throw new RegistryError('storage/damaged', `the bytes of ${digest} have another digest`);
  }
}

function isLost(reading: Reading): reading is Lost {
  return reading === 'absent' || reading === 'damaged';
}

/** Of a component, without the version. */
const PREAMBLE: readonly (number | null)[] = [0x00, 0x61, 0x73, 0x6d, null, null, 0x01, 0x00];

function isComponent(start: Uint8Array): boolean {
  return PREAMBLE.every((byte, position) => byte === null || start[position] === byte);
}

/** Each release of a record, against what stands once the entries before it are done. Of the same content there is none. */
function stepsOf({ entries }: SignedRecord<PackageEntry>, bindings: ReadonlyMap<string, Release>): readonly Step[] {
  const known = new Map<string, Stepped>([...bindings.values()].map((release) => [release.version, release]));
  const yanked = new Set([...bindings.values()].filter(isYanked).map(({ version }) => version));
  const steps: Step[] = [];
  for (const entry of entries) {
    if (entry.type === 'yank') yanked.add(entry.version);
    if (entry.type === 'restore') yanked.delete(entry.version);
    if (entry.type !== 'release') continue;
    const { version, content, claim = null } = entry;
    const from = releaseBefore(standing(known, yanked), version);
    if (from !== null && from.content !== content) steps.push({ from, to: { version, content, claim } });
    known.set(version, { version, content, claim });
  }
  return steps;
}

function isYanked({ state }: Release): boolean {
  return state.status === 'yanked';
}

function* standing(known: ReadonlyMap<string, Stepped>, yanked: ReadonlySet<string>): Iterable<Stepped> {
  for (const release of known.values()) if (!yanked.has(release.version)) yield release;
}

interface Uncompared {
  readonly why: string;
}

type ReadStep = Stepped & { readonly reading: Exclude<Reading, Lost> };

function compare(before: ReadStep, after: ReadStep): InterfaceChange | Uncompared {
  const [old, now] = [before.reading, after.reading];
  if (old === 'not a component' || now === 'not a component')
    return { why: 'one is a component or a WIT package, and the other is not' };
  if ('unread' in old) return { why: old.unread };
  if ('unread' in now) return { why: now.unread };
  try {
    const change = interfaceChange({ ...before, reading: old }, { ...after, reading: now });
    return change ?? { why: 'one is a WIT package, and the other is not' };
  } catch (failure) {
    if (failure instanceof RegistryError) return { why: failure.message };
    throw failure;
  }
}

function tooSmall(name: PackageName, { from, to }: Step, compared: InterfaceChange | Uncompared): RegistryError {
  const asked = `the policy for namespace ${namespaceOf(name)} asks for enough: release it as a larger step`;
  const what = 'why' in compared ? uncomparedText(from, to, compared) : comparedText(from, to, compared);
  return new RegistryError('release/step', `since ${name}@${from.version} ${what}, and ${asked}`);
}

function comparedText(from: Stepped, to: Stepped, change: InterfaceChange): string {
  const greatest = change.differences.filter(({ impact }) => impact === change.impact);
  const lines = differenceLines({ ...change, differences: greatest }, DIFFERENCES_TOLD_MAX);
  const told = lines.map((line) => line.slice(0, DIFFERENCE_LENGTH_MAX)).join('; ');
  return `${changeText(change, { from: from.version, to: to.version })} (${told})`;
}

function uncomparedText(from: Stepped, to: Stepped, { why }: Uncompared): string {
  const step = neededStep('breaking', from.version) ?? 'patch';
  const counted = `that counts as breaking and asks for a ${step} step, and ${to.version} is too small a step`;
  return `the interface could not be compared (${why.slice(0, DIFFERENCE_LENGTH_MAX)}): ${counted}`;
}
