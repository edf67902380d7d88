import { RegistryError } from '../errors.ts';

declare const versionText: unique symbol;

/** SemVer 2.0 text in its one spelling. Identity includes build metadata, as in Rust's `semver`. */
export type VersionText = string & { readonly [versionText]: true };

const NUMBER_MAX = 2n ** 64n - 1n;
const NUMBER = /^(?:0|[1-9][0-9]*)$/;
/** The plainest versions, whose numbers cannot reach the limit: most of a log, read without a bigint. */
const PLAIN = /^(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})$/;
/** As {@link PLAIN}, and exact as numbers. */
const SMALL = /^([0-9]{1,15})\.([0-9]{1,15})\.([0-9]{1,15})$/;
const DIGITS = /^[0-9]+$/;
const IDENTIFIERS = /^[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*$/;
const LEADING_ZERO = /(?:^|\.)0[0-9]+(?:\.|$)/;

interface VersionParts {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];
  readonly build: readonly string[];
}

/** Same verdict as Rust's `semver::Version::parse`: numbers up to 2^64-1, no leading zeros, no `v`. Throws `text/version`. */
export function parseVersion(text: string): VersionText {
  if (!PLAIN.test(text)) partsOf(text);
  return text as VersionText;
}

/** True when the version has a pre-release part. */
export function isPreRelease(version: VersionText): boolean {
  return withoutBuild(version).includes('-');
}

/** The version without build metadata: two versions that agree here are the same to most tools. */
export function withoutBuild(version: VersionText): string {
  const plus = version.indexOf('+');
  return plus < 0 ? version : version.slice(0, plus);
}

/** The total order of Rust's `semver::Version`: SemVer precedence, then build metadata. */
export function compareVersions(a: VersionText, b: VersionText): number {
  const plain = comparePlain(a, b);
  if (plain !== null) return plain;
  const left = partsOf(a);
  const right = partsOf(b);
  return comparePrecedenceOf(left, right) || compareIdentifiers(left.build, right.build);
}

/** SemVer precedence alone, for which build metadata does not count. */
export function comparePrecedence(a: VersionText, b: VersionText): number {
  return comparePrecedenceOf(partsOf(a), partsOf(b));
}

/** `null` unless both are of three numbers that need no bigint. */
function comparePlain(a: VersionText, b: VersionText): number | null {
  const left = SMALL.exec(a);
  const right = left === null ? null : SMALL.exec(b);
  if (left === null || right === null) return null;
  for (const i of [1, 2, 3] as const) {
    const difference = Number(left[i]) - Number(right[i]);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function comparePrecedenceOf(left: VersionParts, right: VersionParts): number {
  for (const i of [0, 1, 2] as const) {
    if (left.numbers[i] !== right.numbers[i]) return left.numbers[i] < right.numbers[i] ? -1 : 1;
  }
  return comparePreRelease(left.pre, right.pre);
}

function partsOf(text: string): VersionParts {
  const plus = text.indexOf('+');
  const beforeBuild = plus < 0 ? text : text.slice(0, plus);
  const hyphen = beforeBuild.indexOf('-');
  const core = hyphen < 0 ? beforeBuild : beforeBuild.slice(0, hyphen);
  const pre = hyphen < 0 ? null : beforeBuild.slice(hyphen + 1);
  const build = plus < 0 ? null : text.slice(plus + 1);
  // A fourth part is one too many, and what comes after it is not even cut (SECURITY.md W4).
  const numbers = core.split('.', 4).map(parseNumber);
  const [major, minor, patch] = numbers;
  if (numbers.length !== 3 || major == null || minor == null || patch == null) throw malformed(text);
  if (pre !== null && (!IDENTIFIERS.test(pre) || LEADING_ZERO.test(pre))) throw malformed(text);
  if (build !== null && !IDENTIFIERS.test(build)) throw malformed(text);
  return { numbers: [major, minor, patch], pre: pre?.split('.') ?? [], build: build?.split('.') ?? [] };
}

function parseNumber(digits: string): bigint | null {
  if (!NUMBER.test(digits) || digits.length > 20) return null;
  const value = BigInt(digits);
  return value > NUMBER_MAX ? null : value;
}

function malformed(text: string): RegistryError {
  return new RegistryError(
    'text/version',
    `${JSON.stringify(text.slice(0, 80))} is not a SemVer version such as 1.2.3 or 1.2.3-rc.1`,
  );
}

function comparePreRelease(a: readonly string[], b: readonly string[]): number {
  // SemVer 11.3: a version with a pre-release comes before the same version without.
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length);
  return compareIdentifiers(a, b);
}

function compareIdentifiers(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i];
    const right = b[i];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    const order = compareIdentifier(left, right);
    if (order !== 0) return order;
  }
  return 0;
}

function compareIdentifier(a: string, b: string): number {
  const aNumeric = DIGITS.test(a);
  const bNumeric = DIGITS.test(b);
  if (aNumeric !== bNumeric) return aNumeric ? -1 : 1;
  if (!aNumeric) return a < b ? -1 : Number(a > b);
  const left = BigInt(a);
  const right = BigInt(b);
  // Only build metadata may have leading zeros; Rust puts the longer spelling of one number later.
  return left === right ? Math.sign(a.length - b.length) : left < right ? -1 : 1;
}
