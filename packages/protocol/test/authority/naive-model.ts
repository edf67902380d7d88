/**
 * A second implementation of version1.md 4, 5 and 7, written from that text: slow, and without a line of the code under test.
 * A log is a list of facts; whatever is asked is found by reading them from the first to the last.
 */

export interface PlainHolder {
  /** Key ids. */
  readonly keys: readonly string[];
  readonly threshold: number;
}

export interface PlainPredicates {
  readonly versionMin: string | null;
  readonly versionMax: string | null;
  readonly notAfter: number | null;
  readonly mediaTypes: readonly string[];
  readonly sizeMax: number | null;
  readonly annotationTypes: readonly string[];
}

export type PlainEntry =
  | { readonly is: 'init'; readonly key: string }
  | { readonly is: 'grant-0' | 'revoke-0'; readonly key: string; readonly permissions: readonly string[] }
  | {
      readonly is: 'release';
      readonly under: string;
      readonly version: string;
      readonly mediaType: string | null;
      readonly size: number | null;
    }
  | { readonly is: 'yank' | 'restore'; readonly under: string; readonly version: string }
  | { readonly is: 'root' | 'transfer'; readonly under: string; readonly holder: PlainHolder }
  | {
      readonly is: 'grant';
      readonly under: string;
      readonly holder: PlainHolder;
      readonly permissions: readonly string[];
      readonly predicates: PlainPredicates;
    }
  | { readonly is: 'revoke'; readonly under: string; readonly grant: string };

export interface PlainRecord {
  readonly id: string;
  readonly format: number;
  readonly prev: string | null;
  /** Whole seconds; compared with `not_after` as they are. */
  readonly time: number;
  readonly log: string;
  readonly origin: string;
  readonly signers: readonly string[];
  readonly entries: readonly PlainEntry[];
}

export interface PlainGrant {
  readonly id: string;
  readonly parent: string;
  readonly depth: number;
  readonly holder: PlainHolder;
  readonly permissions: readonly string[];
  readonly predicates: PlainPredicates;
}

/** What somebody wants to do (4.5). */
export interface PlainAct {
  readonly permission: string;
  readonly time: number;
  readonly version: string | null;
  readonly mediaType: string | null;
  readonly size: number | null;
}

/** `null` for what is accepted. */
export type Refusal = { readonly code: string; readonly reason: string | null } | null;

interface Fact {
  readonly record: PlainRecord;
  readonly index: number;
  readonly entry: PlainEntry;
}

export interface PlainState {
  readonly root: PlainHolder | null;
  readonly grants: readonly (PlainGrant & { readonly isRevoked: boolean })[];
  readonly releases: readonly { readonly version: string; readonly record: string; readonly isYanked: boolean }[];
}

/** The parts of the rules that a mutant replaces. */
export interface Rules {
  readonly acts: (holder: PlainHolder, signers: readonly string[]) => boolean;
  /** The grant itself, its parent, and so on. */
  readonly chain: (grants: readonly PlainGrant[], grant: PlainGrant) => readonly PlainGrant[];
  readonly revocationCounts: (ofItself: boolean) => boolean;
  readonly predicates: readonly (readonly [reason: string, holds: (said: PlainPredicates, act: PlainAct) => boolean])[];
  readonly covers: (held: readonly string[], permission: string) => boolean;
  readonly depthMax: number;
  readonly mayRevoke: (under: string, target: PlainGrant, above: readonly PlainGrant[]) => boolean;
  readonly newHolderMustAct: boolean;
}

export const NO_PREDICATES: PlainPredicates = {
  versionMin: null,
  versionMax: null,
  notAfter: null,
  mediaTypes: [],
  sizeMax: null,
  annotationTypes: [],
};

export const RULES: Rules = {
  acts: ({ keys, threshold }, signers) => keys.filter((key) => signers.includes(key)).length >= threshold,
  chain: (grants, grant) => {
    const parent = grants.find(({ id }) => id === grant.parent);
    return parent === undefined ? [grant] : [grant, ...RULES.chain(grants, parent)];
  },
  revocationCounts: () => true,
  predicates: [
    ['expired', ({ notAfter }, { time }) => notAfter === null || time <= notAfter],
    ['version', (said, act) => isInRange(said, act)],
    [
      'media-type',
      ({ mediaTypes }, { permission, mediaType }) =>
        permission !== 'release' || mediaTypes.length === 0 || (mediaType !== null && mediaTypes.includes(mediaType)),
    ],
    [
      'size',
      ({ sizeMax }, { permission, size }) =>
        permission !== 'release' || sizeMax === null || (size !== null && size <= sizeMax),
    ],
    [
      'annotation-type',
      ({ annotationTypes }, { permission }) =>
        !permission.startsWith('annotate:') ||
        annotationTypes.length === 0 ||
        annotationTypes.includes(permission.slice('annotate:'.length)),
    ],
  ],
  covers: (held, permission) =>
    held.includes(permission) || (permission.startsWith('annotate:') && held.includes('annotate:*')),
  depthMax: 8,
  mayRevoke: (under, target, above) => under === '' || under === target.id || above.some(({ id }) => id === under),
  newHolderMustAct: true,
};

/** Of each record of a log whether it is accepted; one that is not leaves no trace (record-log.md 1.2). */
export class NaiveLog {
  readonly #rules: Rules;
  readonly #log: string;
  readonly #origin: string;
  readonly accepted: PlainRecord[] = [];

  constructor(log: string, origin: string, rules: Rules) {
    this.#log = log;
    this.#origin = origin;
    this.#rules = rules;
  }

  offer(record: PlainRecord): Refusal {
    const refusal = this.#judge(record);
    if (refusal === null) this.accepted.push(record);
    return refusal;
  }

  state(): PlainState {
    const facts = factsOf(this.accepted);
    return {
      root: rootOf(facts),
      grants: grantsOf(facts).map((grant) => ({ ...grant, isRevoked: isRevoked(facts, grant) })),
      releases: releasesOf(facts),
    };
  }

  /** The refusal of 4.5, on the state as the accepted records left it. */
  may(act: PlainAct, under: string, signers: readonly string[]): Refusal {
    return mayAct(this.#rules, factsOf(this.accepted), { act, under, signers });
  }

  #judge(record: PlainRecord): Refusal {
    return this.#judgeFrame(record) ?? this.#judgeEntries(record);
  }

  /** 7.1 to 7.4; record-log.md 3.1 to 3.3. */
  #judgeFrame(record: PlainRecord): Refusal {
    const head = this.accepted.at(-1);
    if (head === undefined && record.prev !== null) return refuse('prev-on-first');
    if (head !== undefined && record.prev === null) return refuse('prev-missing');
    if (head !== undefined && record.prev !== head.id) return refuse('prev-mismatch');
    if (record.format !== 0 && record.format !== 1) return refuse('version');
    const hasVersion1 = this.accepted.some(({ format }) => format === 1);
    if (record.format === 0 && hasVersion1) return refuse('version-backwards');
    if (head !== undefined && record.time < head.time) return refuse('time-backwards');
    if (record.format === 0) return null;
    if (record.log !== this.#log) return refuse('log');
    if (record.origin !== this.#origin) return refuse('origin');
    if (!hasVersion1 && record.entries[0]?.is !== 'root') return refuse('root-missing');
    if (record.entries.slice(hasVersion1 ? 0 : 1).some(({ is }) => is === 'root')) return refuse('root-again');
    return null;
  }

  #judgeEntries(record: PlainRecord): Refusal {
    const facts = factsOf(this.accepted);
    const judge = record.format === 0 ? judgeEntry0 : judgeEntry1;
    for (const [index, entry] of record.entries.entries()) {
      const fact = { record, index, entry };
      const refusal = judge(this.#rules, facts, fact);
      if (refusal !== null) return refusal;
      facts.push(fact);
    }
    if (record.format === 0 && facts.length === 0) return refuse('no-init');
    return record.signers.every((key) => keysOf(facts).includes(key)) ? null : refuse('key-unknown');
  }
}

function refuse(rule: string, reason: string | null = null): Refusal {
  return { code: `record/${rule}`, reason };
}

function factsOf(records: readonly PlainRecord[]): Fact[] {
  return records.flatMap((record) => record.entries.map((entry, index) => ({ record, index, entry })));
}

/** Record-log.md 3.4 to 3.10. */
function judgeEntry0(_rules: Rules, facts: readonly Fact[], { record, entry }: Fact): Refusal {
  const holds = (permission: string): boolean =>
    holdings(facts).some((held) => held.key === record.signers[0] && held.permission === permission);
  if ((entry.is === 'release' || entry.is === 'yank') && !holds(entry.is)) return refuse('unauthorized');
  if (entry.is === 'init') {
    if (facts.length > 0) return refuse('init-again');
    return entry.key === record.signers[0] ? null : refuse('key-unknown');
  }
  if (facts.length === 0) return refuse('first-not-init');
  if (entry.is === 'grant-0') return entry.permissions.every(holds) ? null : refuse('unauthorized');
  if (entry.is === 'revoke-0') return judgeRevoke0(facts, entry, holds);
  return judgeVersion(facts, entry);
}

function judgeRevoke0(
  facts: readonly Fact[],
  { key, permissions }: { readonly key: string; readonly permissions: readonly string[] },
  holds: (permission: string) => boolean,
): Refusal {
  if (!permissions.every(holds)) return refuse('unauthorized');
  const isHeld = (permission: string): boolean =>
    holdings(facts).some((held) => held.key === key && held.permission === permission);
  const isTwice = new Set(permissions).size < permissions.length;
  return permissions.every(isHeld) && !isTwice ? null : refuse('permission-not-held');
}

/** 7.7 without the permission. */
function judgeVersion(facts: readonly Fact[], entry: PlainEntry): Refusal {
  if (entry.is !== 'release' && entry.is !== 'yank' && entry.is !== 'restore') return null;
  const found = releasesOf(facts).find(({ version }) => version === entry.version);
  if (entry.is === 'release') return found === undefined ? null : refuse('release-again');
  if (entry.is === 'restore') return found?.isYanked === true ? null : refuse('restore-unyanked');
  if (found === undefined) return refuse('yank-unreleased');
  return found.isYanked ? refuse('yank-again') : null;
}

/** 7.5 to 7.10. */
function judgeEntry1(rules: Rules, facts: readonly Fact[], fact: Fact): Refusal {
  const { entry, record } = fact;
  switch (entry.is) {
    case 'root':
      return judgeRoot(rules, facts, entry, record.signers);
    case 'transfer':
      return judgeTransfer(rules, facts, entry, record.signers);
    case 'revoke':
      return judgeRevoke(rules, facts, entry, record);
    case 'grant':
      return judgeGrant(rules, facts, entry, record);
    case 'release':
    case 'yank':
    case 'restore': {
      const act = {
        permission: entry.is,
        time: record.time,
        version: entry.version,
        mediaType: entry.is === 'release' ? entry.mediaType : null,
        size: entry.is === 'release' ? entry.size : null,
      };
      const asked = { act, under: entry.under, signers: record.signers };
      return mayAct(rules, facts, asked) ?? judgeVersion(facts, entry);
    }
    default:
      throw new TypeError(`version 1 has no ${entry.is}`);
  }
}

type HolderEntry = Extract<PlainEntry, { readonly is: 'root' | 'transfer' }>;

/** 7.5, 7.6. */
function judgeRoot(rules: Rules, facts: readonly Fact[], entry: HolderEntry, signers: readonly string[]): Refusal {
  const refusal = refuse('unauthorized', 'holder');
  if (entry.under !== '' || !rules.acts(entry.holder, signers)) return refusal;
  const init = facts.find(({ entry: { is } }) => is === 'init')?.entry;
  if (init?.is !== 'init') return null;
  const [key, ...others] = entry.holder.keys;
  if (key === undefined || others.length > 0) return refusal;
  const holdsBoth = (one: string): boolean => holdings(facts).filter((held) => held.key === one).length === 2;
  const isRight = holdsBoth(init.key) ? key === init.key : holdsBoth(key);
  return isRight ? null : refusal;
}

/** 7.10. */
function judgeTransfer(rules: Rules, facts: readonly Fact[], entry: HolderEntry, signers: readonly string[]): Refusal {
  const root = rootOf(facts);
  const isRight =
    entry.under === '' &&
    root !== null &&
    rules.acts(root, signers) &&
    (!rules.newHolderMustAct || rules.acts(entry.holder, signers));
  return isRight ? null : refuse('unauthorized', 'holder');
}

/** 7.8. */
function judgeGrant(
  rules: Rules,
  facts: readonly Fact[],
  entry: Extract<PlainEntry, { readonly is: 'grant' }>,
  record: PlainRecord,
): Refusal {
  const act = { permission: 'grant', time: record.time, version: null, mediaType: null, size: null };
  const refusal = mayAct(rules, facts, { act, under: entry.under, signers: record.signers });
  if (refusal !== null || entry.under === '') return refusal;
  const grants = grantsOf(facts);
  const parent = grants.find(({ id }) => id === entry.under);
  if (parent === undefined) throw new TypeError('what may be done under it exists');
  if (!entry.permissions.every((permission) => rules.covers(parent.permissions, permission)))
    return refuse('unauthorized', 'permission');
  return parent.depth + 1 > rules.depthMax ? refuse('depth') : null;
}

/** 7.9. */
function judgeRevoke(
  rules: Rules,
  facts: readonly Fact[],
  entry: Extract<PlainEntry, { readonly is: 'revoke' }>,
  { time, signers }: PlainRecord,
): Refusal {
  const grants = grantsOf(facts);
  const target = grants.find(({ id }) => id === entry.grant);
  if (target === undefined) return refuse('grant-unknown');
  if (isRevoked(facts, target)) return refuse('grant-revoked');
  const above = RULES.chain(grants, target).slice(1);
  if (!rules.mayRevoke(entry.under, target, above)) return refuse('unauthorized', 'holder');
  const act = { permission: 'revoke', time, version: null, mediaType: null, size: null };
  return mayAct(rules, facts, { act, under: entry.under, signers });
}

interface Asked {
  readonly act: PlainAct;
  readonly under: string;
  readonly signers: readonly string[];
}

/** 4.5; for a revoke without check 3. */
function mayAct(rules: Rules, facts: readonly Fact[], { act, under, signers }: Asked): Refusal {
  if (under === '') {
    const root = rootOf(facts);
    return root !== null && rules.acts(root, signers) ? null : refuse('unauthorized', 'holder');
  }
  const grants = grantsOf(facts);
  const grant = grants.find(({ id }) => id === under);
  if (grant === undefined) return refuse('grant-unknown');
  if (!rules.acts(grant.holder, signers)) return refuse('unauthorized', 'holder');
  if (act.permission !== 'revoke' && !rules.covers(grant.permissions, act.permission))
    return refuse('unauthorized', 'permission');
  for (const link of rules.chain(grants, grant)) {
    if (isRevoked(facts, link) && rules.revocationCounts(link === grant)) return refuse('unauthorized', 'revoked');
    const broken = rules.predicates.find(([, holds]) => !holds(link.predicates, act));
    if (broken !== undefined) return refuse('unauthorized', broken[0]);
  }
  return null;
}

/** Version 0: who holds what, and since which entry. */
function holdings(facts: readonly Fact[]): { key: string; permission: string; since: string }[] {
  let held: { key: string; permission: string; since: string }[] = [];
  for (const { record, index, entry } of facts) {
    const since = `${record.id}/${index}`;
    if (entry.is === 'init') held = ['release', 'yank'].map((permission) => ({ key: entry.key, permission, since }));
    if (entry.is === 'grant-0') {
      for (const permission of new Set(entry.permissions)) {
        const isHeld = held.some((one) => one.key === entry.key && one.permission === permission);
        if (!isHeld) held.push({ key: entry.key, permission, since });
      }
    }
    if (entry.is === 'revoke-0')
      held = held.filter((one) => one.key !== entry.key || !entry.permissions.includes(one.permission));
  }
  return held;
}

/** 7.5, 7.6, 7.10: the newest one that was made root. */
function rootOf(facts: readonly Fact[]): PlainHolder | null {
  const last = facts.findLast(({ entry }) => entry.is === 'root' || entry.is === 'transfer')?.entry;
  return last?.is === 'root' || last?.is === 'transfer' ? last.holder : null;
}

/** 4.1, and those that come of version 0 (7.6). */
function grantsOf(facts: readonly Fact[]): PlainGrant[] {
  const grants: PlainGrant[] = [];
  for (const [position, { record, index, entry }] of facts.entries()) {
    if (entry.is === 'root') {
      for (const { key, permission, since } of holdings(facts.slice(0, position))) {
        if (entry.holder.keys.includes(key)) continue;
        const id = `${since}/${permission}`;
        const holder = { keys: [key], threshold: 1 };
        grants.push({ id, parent: '', depth: 0, holder, permissions: [permission], predicates: NO_PREDICATES });
      }
    }
    if (entry.is === 'grant') {
      const { under: parent, holder, permissions, predicates } = entry;
      const above = grants.find(({ id }) => id === parent);
      const depth = above === undefined ? 0 : above.depth + 1;
      grants.push({ id: `${record.id}/${index}`, parent, depth, holder, permissions, predicates });
    }
  }
  return grants;
}

function isRevoked(facts: readonly Fact[], { id }: PlainGrant): boolean {
  return facts.some(({ entry }) => entry.is === 'revoke' && entry.grant === id);
}

function releasesOf(facts: readonly Fact[]): { version: string; record: string; isYanked: boolean }[] {
  const versions = facts.flatMap(({ record, entry }) =>
    entry.is === 'release' ? [{ version: entry.version, record: record.id }] : [],
  );
  return versions.map(({ version, record }) => {
    const last = facts.findLast(
      ({ entry }) => (entry.is === 'yank' || entry.is === 'restore') && entry.version === version,
    );
    return { version, record, isYanked: last?.entry.is === 'yank' };
  });
}

/** 7.11. */
function keysOf(facts: readonly Fact[]): string[] {
  return facts.flatMap(({ entry }) => {
    if (entry.is === 'init' || entry.is === 'grant-0') return [entry.key];
    return entry.is === 'root' || entry.is === 'transfer' || entry.is === 'grant' ? entry.holder.keys : [];
  });
}

/** 5.2. */
function isInRange({ versionMin, versionMax }: PlainPredicates, { permission, version }: PlainAct): boolean {
  if (permission === 'grant' || permission === 'revoke') return true;
  if (versionMin === null && versionMax === null) return true;
  if (version === null) return false;
  if (versionMin !== null && precedence(version, versionMin) < 0) return false;
  return versionMax === null || precedence(version, versionMax) < 0;
}

/** SemVer 2.0.0, section 11. */
export function precedence(a: string, b: string): number {
  const [coreA, labelsA] = versionParts(a);
  const [coreB, labelsB] = versionParts(b);
  for (const [i, number] of coreA.entries()) {
    const other = coreB[i] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  if (labelsA.length === 0 || labelsB.length === 0) return labelsB.length - labelsA.length;
  for (const [i, label] of labelsA.entries()) {
    const other = labelsB[i];
    if (other === undefined) return 1;
    const order = labelOrder(label, other);
    if (order !== 0) return order;
  }
  return labelsA.length - labelsB.length;
}

function versionParts(text: string): [core: bigint[], labels: string[]] {
  const [withoutBuild = ''] = text.split('+');
  const dash = withoutBuild.indexOf('-');
  const core = dash === -1 ? withoutBuild : withoutBuild.slice(0, dash);
  return [core.split('.').map(BigInt), dash === -1 ? [] : withoutBuild.slice(dash + 1).split('.')];
}

function labelOrder(a: string, b: string): number {
  if (a === b) return 0;
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumberA && isNumberB) return BigInt(a) < BigInt(b) ? -1 : 1;
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  return a < b ? -1 : 1;
}
