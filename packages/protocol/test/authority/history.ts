import type { Dice } from '@waybill/tools/test-scale';
import type {
  PlainAct,
  PlainEntry,
  PlainGrant,
  PlainHolder,
  PlainPredicates,
  PlainRecord,
  PlainState,
} from './naive-model.ts';
import { HOME, KEY_IDS } from './real-log.ts';

const VERSIONS = ['0.9.0', '1.0.0-2', '1.0.0-10', '1.0.0-rc.1', '1.0.0', '1.0.0+build', '1.2.0', '2.0.0-rc.1', '2.0.0'];
const MEDIA_TYPES = ['application/wasm', 'text/plain'];
const SIZES = [1, 10, 100];
const TYPES = ['advisory', 'audit', 'x.y'];
const PERMISSIONS = [...TYPES.map((type) => `annotate:${type}`), 'annotate:*', 'grant', 'release', 'restore', 'yank'];
const ENTRIES = ['release', 'release', 'yank', 'restore', 'grant', 'grant', 'grant', 'revoke', 'transfer'] as const;
const TIME_FIRST = 1_000;
/** Histories are about so long, in seconds. */
const TIME_SPAN = 30;

/** What the records so far have made, and what the next one follows. */
export interface Past {
  readonly state: PlainState;
  readonly head: PlainRecord | null;
  readonly isVersion1: boolean;
}

/** What kind of history it is: chance alone would hardly ever reach a depth of nine. */
export interface Plot {
  readonly records: number;
  /** Records of version 0 that come first. */
  readonly records0: number;
  readonly isDeep: boolean;
}

interface Scene {
  readonly dice: Dice;
  readonly past: Past;
  readonly id: string;
  readonly plot: Plot;
  readonly time: number;
  /** Those who have to sign for what was drawn. */
  readonly signers: Set<string>;
  readonly entries: PlainEntry[];
}

export function drawPlot(dice: Dice): Plot {
  const records0 = dice.oneIn(3) ? 1 + dice.below(4) : 0;
  return { records: records0 + 2 + dice.below(7), records0, isDeep: dice.oneIn(6) };
}

/** The next record: mostly one that could be right, with something wrong in it now and then. */
export function drawRecord(dice: Dice, plot: Plot, past: Past, number: number): PlainRecord {
  const id = recordId(number);
  const time = (past.head?.time ?? TIME_FIRST) + dice.below(5) - (dice.oneIn(40) ? 5 : 0);
  const scene: Scene = { dice, past, id, plot, time, signers: new Set(), entries: [] };
  const isFormat0 = number < plot.records0 || (plot.records0 > 0 && dice.oneIn(40));
  const format = dice.oneIn(200) ? 2 : isFormat0 ? 0 : 1;
  if (format === 1) drawEntries1(scene);
  else drawEntries0(scene);
  const prev = dice.oneIn(60) ? dice.of([null, recordId(99)]) : (past.head?.id ?? null);
  return {
    id,
    format,
    prev,
    time,
    log: dice.oneIn(100) ? 'other' : HOME.log,
    origin: dice.oneIn(100) ? 'elsewhere.example' : HOME.origin,
    signers: signersOf(scene, format),
    entries: scene.entries,
  };
}

function recordId(number: number): string {
  return `sha256:${String(number).padStart(64, '0')}`;
}

function signersOf({ dice, signers }: Scene, format: number): string[] {
  if (dice.oneIn(12)) signers.add(dice.of(KEY_IDS));
  const drawn = dice.oneIn(20) ? dice.sample(KEY_IDS, 1 + dice.below(3)) : [...signers];
  const some = drawn.length === 0 ? [dice.of(KEY_IDS)] : drawn;
  return format === 1 ? some.toSorted() : some.slice(0, 1);
}

function drawEntries0({ dice, past, signers, entries }: Scene): void {
  const isFirst = past.head === null;
  const few = KEY_IDS.slice(0, 3);
  const signer = isFirst || dice.below(3) > 0 ? (few[0] ?? '') : dice.of(few);
  signers.add(signer);
  if (isFirst !== dice.oneIn(30)) entries.push({ is: 'init', key: dice.oneIn(30) ? dice.of(few) : signer });
  for (let left = dice.below(4); left > 0; left--) {
    const permissions = dice.oneIn(2) ? ['release', 'yank'] : dice.some(['release', 'yank', 'yank'], 2);
    const [version, key] = [dice.of(VERSIONS), dice.of(few)];
    const under = '';
    const drawn: readonly PlainEntry[] = [
      { is: 'grant-0', key, permissions },
      { is: 'grant-0', key, permissions },
      { is: 'revoke-0', key, permissions },
      { is: 'release', under, version, mediaType: null, size: null },
      { is: 'yank', under, version },
    ];
    entries.push(dice.of(drawn));
  }
}

function drawEntries1(scene: Scene): void {
  const { dice, past, plot, entries } = scene;
  if (past.isVersion1 === dice.oneIn(40)) entries.push(drawRoot(scene));
  const count = plot.isDeep ? 2 + dice.below(4) : dice.oneIn(8) ? 0 : 1 + dice.below(3);
  for (let i = 0; i < count; i++) {
    const is = plot.isDeep && !dice.oneIn(8) ? 'grant' : dice.of(ENTRIES);
    entries.push(drawEntry(scene, is));
  }
  if (dice.oneIn(60)) entries.push(drawRoot(scene));
}

function drawRoot(scene: Scene): PlainEntry {
  const { dice, past, signers } = scene;
  const isUpgrade = past.head !== null && !past.isVersion1;
  const keys = isUpgrade && !dice.oneIn(10) ? [KEY_IDS[dice.oneIn(4) ? 1 : 0] ?? ''] : null;
  const holder = keys === null ? drawHolder(dice) : { keys, threshold: 1 };
  sign(scene, holder);
  if (dice.oneIn(10)) signers.add(dice.of(KEY_IDS));
  return { is: 'root', under: dice.oneIn(30) ? `${recordId(0)}/0` : '', holder };
}

function drawEntry(scene: Scene, is: (typeof ENTRIES)[number]): PlainEntry {
  const { dice } = scene;
  if (is === 'revoke') return drawRevoke(scene);
  if (is === 'transfer') {
    const holder = drawHolder(dice);
    signFor(scene, '');
    if (!dice.oneIn(4)) sign(scene, holder);
    return { is, under: dice.oneIn(20) ? drawUnder(scene, 'grant') : '', holder };
  }
  const under = drawUnder(scene, is);
  signFor(scene, under);
  if (is === 'grant') return drawGrant(scene, under);
  const { mediaType, size } = drawAct(dice, is);
  const version = drawVersion(scene, is);
  return is === 'release' ? { is, under, version, mediaType, size } : { is, under, version };
}

/** Mostly one with which the entry could be right, also within this record. */
function drawVersion({ dice, past, entries }: Scene, is: string): string {
  const { releases } = past.state;
  const yanked = releases.filter(({ isYanked }) => isYanked).map(({ version }) => version);
  const standing = releases.filter(({ isYanked }) => !isYanked).map(({ version }) => version);
  const drafted = entries.flatMap((entry) => (entry.is === 'release' || entry.is === 'yank' ? [entry.version] : []));
  const right = is === 'restore' ? [...yanked, ...drafted] : is === 'yank' ? [...standing, ...drafted] : [];
  return dice.of(right.length > 0 && !dice.oneIn(5) ? right : VERSIONS);
}

function drawGrant(scene: Scene, under: string): PlainEntry {
  const { dice, past, plot } = scene;
  const drafted = draftedGrant(scene, under);
  const parent = drafted ?? past.state.grants.find(({ id }) => id === under);
  const holder = dice.oneIn(3) && !plot.isDeep ? drawHolder(dice) : { keys: [dice.of(KEY_IDS)], threshold: 1 };
  const isGreedy = dice.oneIn(plot.isDeep ? 60 : 8);
  const choices = parent === undefined ? PERMISSIONS : isGreedy ? PERMISSIONS : parent.permissions;
  const drawn = new Set(dice.some(choices, 2));
  if (plot.isDeep || dice.oneIn(2)) drawn.add('grant');
  if (holder.keys.length > 1) drawn.delete('grant');
  if (drawn.size === 0) drawn.add('release');
  const predicates = drawPredicates(dice, plot.isDeep ? 30 : 6);
  return { is: 'grant', under, holder, permissions: [...drawn].toSorted(), predicates };
}

function drawRevoke(scene: Scene): PlainEntry {
  const { dice, past, id } = scene;
  const { grants } = past.state;
  const target = grants.length === 0 ? null : dice.of(grants);
  const grant = target === null || dice.oneIn(20) ? `${id}/${dice.below(3)}` : target.id;
  const above = grants.find((one) => one.id === target?.parent);
  const higher = grants.find((one) => one.id === above?.parent);
  const under = dice.of(['', grant, above?.id ?? '', higher?.id ?? grant, drawUnder(scene, 'grant')]);
  signFor(scene, under);
  return { is: 'revoke', under, grant };
}

/** A place to act from: the root, a grant of this record, one that has the permission, or any. */
function drawUnder({ dice, past, plot, id, entries }: Scene, permission: string): string {
  const { grants } = past.state;
  const before = entries.findLastIndex(({ is }) => is === 'grant');
  if (before !== -1 && (plot.isDeep ? !dice.oneIn(20) : dice.oneIn(3))) return `${id}/${before}`;
  const [deepest] = grants.toSorted((a, b) => b.depth - a.depth);
  if (plot.isDeep && deepest !== undefined && !dice.oneIn(20)) return deepest.id;
  if (grants.length === 0 || dice.oneIn(5)) return dice.oneIn(12) ? `${recordId(88)}/0` : '';
  const able = grants.filter(({ permissions }) => permissions.includes(permission));
  return dice.of(able.length > 0 && !dice.oneIn(8) ? able : grants).id;
}

/** The grant that this record itself makes. */
function draftedGrant({ id, entries }: Scene, under: string): Extract<PlainEntry, { readonly is: 'grant' }> | null {
  const entry = under.startsWith(`${id}/`) ? entries[Number(under.slice(id.length + 1))] : undefined;
  return entry?.is === 'grant' ? entry : null;
}

/** Adds those who act under a grant. */
function signFor(scene: Scene, under: string): void {
  const { past, entries } = scene;
  const drafted = draftedGrant(scene, under);
  const drafting = entries.find(({ is }) => is === 'root');
  if (drafted !== null) sign(scene, drafted.holder);
  else if (under !== '') sign(scene, past.state.grants.find((grant) => grant.id === under)?.holder ?? null);
  else sign(scene, past.state.root ?? (drafting?.is === 'root' ? drafting.holder : null));
}

function sign({ dice, plot, signers }: Scene, holder: PlainHolder | null): void {
  if (holder === null) return;
  const count = holder.threshold - (dice.oneIn(plot.isDeep ? 60 : 8) ? 1 : 0);
  for (const key of dice.sample(holder.keys, count)) signers.add(key);
}

function drawHolder(dice: Dice): PlainHolder {
  const keys = dice.sample(KEY_IDS, dice.of([1, 1, 2, 3])).toSorted();
  return { keys, threshold: 1 + dice.below(keys.length) };
}

function drawPredicates(dice: Dice, rarity: number): PlainPredicates {
  const maybe = <T>(draw: () => T): T | null => (dice.oneIn(rarity) ? draw() : null);
  return {
    versionMin: maybe(() => dice.of(VERSIONS)),
    versionMax: maybe(() => dice.of(VERSIONS)),
    notAfter: maybe(() => TIME_FIRST + dice.below(TIME_SPAN)),
    mediaTypes: maybe(() => dice.some(MEDIA_TYPES, 2)) ?? [],
    sizeMax: maybe(() => dice.of(SIZES)),
    annotationTypes: maybe(() => dice.some(TYPES, 2)) ?? [],
  };
}

/** Something to ask of both after the end. */
export function drawAct(dice: Dice, permission: string): PlainAct {
  const isRelease = permission === 'release';
  const isClaimed = isRelease && !dice.oneIn(4);
  return {
    permission,
    time: TIME_FIRST + dice.below(TIME_SPAN),
    version: permission === 'grant' || (permission.startsWith('annotate:') && dice.oneIn(4)) ? null : dice.of(VERSIONS),
    mediaType: isClaimed ? dice.of(MEDIA_TYPES) : null,
    size: isClaimed ? dice.of(SIZES) : null,
  };
}

/** What acts can ask for: every permission but the one that stands for several. */
export const ACT_PERMISSIONS: readonly string[] = PERMISSIONS.filter((permission) => permission !== 'annotate:*');

/** The grant, and those it stands under. */
export function ancestryOf({ grants }: PlainState, grant: PlainGrant): PlainState['grants'] {
  const link = grants.find(({ id }) => id === grant.id);
  const parent = grants.find(({ id }) => id === grant.parent);
  return [
    ...(link === undefined ? [] : [link]),
    ...(parent === undefined ? [] : ancestryOf({ root: null, grants, releases: [] }, parent)),
  ];
}
