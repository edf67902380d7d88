import {
  concatBytes,
  isDigest,
  isRegistryError,
  messageOf,
  namespaceOf,
  RegistryError,
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
  CONTENT_KINDS,
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
type Reading = InterfaceReading | 'absent' | 'not a component' | { readonly unread: string };

/** Where a policy asks for it, a version is enough of a step for what changed in its interface: spec/admission.md 8. */
export class InterfaceSteps {
  readonly #parts: InterfaceStepsParts;
  /** One step is judged at a time, so that the contents of many are not in memory at once. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: InterfaceStepsParts) {
    this.#parts = parts;
  }

  /** For a record whose content is here. Throws `release/step`, `admission/policy` for too many releases. */
  async require({ logId, name, record }: Pick<Reservation, 'logId' | 'name' | 'record'>): Promise<void> {
    const released = record.entries.filter(({ type }) => type === 'release').length;
    if (released === 0) return;
    const policy = await this.#parts.gate.policyFor(name);
    if (policy?.interfaceSteps !== 'required') return;
    if (released > STEPPED_RELEASES_MAX) {
      const why = `the policy for namespace ${namespaceOf(name)} has the interface of each looked at: make several records`;
      throw new RegistryError(
        'admission/policy',
        `a record has more than ${STEPPED_RELEASES_MAX} releases, and ${why}`,
      );
    }
    const steps = await this.#parts.packages.read(logId, ({ bindings }) => stepsOf(record, bindings));
    for (const step of steps) await this.#inTurn(() => this.#judge(name, step));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    await done;
  }

  async #judge(name: PackageName, { from, to }: Step): Promise<void> {
    const after = await this.#read(to);
    if (after === 'absent' || after === 'not a component') return;
    const before = (await this.#isTakenDown(name, from)) ? 'absent' : await this.#read(from);
    if (before === 'absent') return;
    const compared = compare({ ...from, reading: before }, { ...to, reading: after });
    const fits = 'why' in compared ? stepFits('breaking', from.version, to.version) : compared.fits;
    if (fits !== true) throw tooSmall(name, { from, to }, compared);
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
    const { content } = this.#parts;
    const size = isDigest(digest) ? await content.size(digest) : null;
    if (!isDigest(digest) || size === null) return 'absent';
    if (CONTENT_KINDS[claimedKindOf(claim?.mediaType ?? null)].layers?.includes('component') !== true) {
      return 'not a component';
    }
    try {
      if (!isComponent(await this.#bytes(digest, Math.min(size, PREAMBLE.length)))) return 'not a component';
      if (size > STEP_CONTENT_BYTES_MAX) return { unread: `${digest} has more than ${STEP_CONTENT_BYTES_MAX} bytes` };
      return readInterface(await this.#bytes(digest, size));
    } catch (failure) {
      if (isRegistryError(failure, 'content/not-found')) return 'absent';
      if (!isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy')) throw failure;
      return { unread: messageOf(failure) };
    }
  }

  async #bytes(digest: Digest, end: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#parts.content.read(digest, { start: 0, end })) chunks.push(chunk);
    return concatBytes(...chunks);
  }
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

type ReadStep = Stepped & { readonly reading: Exclude<Reading, 'absent'> };

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
