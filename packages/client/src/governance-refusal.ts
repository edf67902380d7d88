import {
  namespaceOf,
  RegistryError,
  type Digest,
  type Governor,
  type Namespace,
  type PackageName,
  type Rootedness,
} from '@waybill/protocol';
import type { TakedownInForce, VerifiedPackage } from './governance-view.ts';

/** A governance log, for a person. */
export function governanceLogText(namespace: Namespace | null): string {
  return namespace === null ? "the registry's governance log" : `the governance log of namespace ${namespace}`;
}

function textOf(by: Governor, name: PackageName): string {
  return governanceLogText(by === 'registry' ? null : namespaceOf(name));
}

/** Throws `governance/unrooted` for a package that its starter might not start: spec/governance.md 6.4. */
export function requireRooted({ name, rootedness }: Pick<VerifiedPackage, 'name' | 'rootedness'>): void {
  if (rootedness.verdict === 'unrooted') throw unrootedError(name, rootedness);
}

/** The refusal of a package that is unrooted, or would be. */
export function unrootedError(
  name: PackageName,
  rootedness: Extract<Rootedness, { readonly verdict: 'unrooted' }>,
): RegistryError {
  const { reason, by } = rootedness;
  return new RegistryError('governance/unrooted', unrootedText(name, rootedness), { reason, by });
}

/** Why a package is unrooted, in a sentence. */
export function unrootedText(
  name: PackageName,
  { reason, by }: Extract<Rootedness, { readonly verdict: 'unrooted' }>,
): string {
  const log = textOf(by, name);
  if (reason === 'abandoned') return `${name} is unrooted: its namespace was abandoned before it, by ${log}`;
  return `${name} is unrooted: no key that starts it is among those that may start packages, by ${log}`;
}

/** Throws `content/taken-down`. `what` is what the content is, for a person. */
export function requireStanding(
  { name, takedownOf }: Pick<VerifiedPackage, 'name' | 'takedownOf'>,
  content: Digest,
  what: string,
): void {
  const takedown = takedownOf(content);
  if (takedown !== null) throw takenDownError(name, what, takedown);
}

/** The refusal of content that is taken down. */
export function takenDownError(name: PackageName, what: string, takedown: TakedownInForce): RegistryError {
  const { digest, code, by, recordId } = takedown;
  const message = `the content of ${what} (${digest}) is ${takedownText(name, takedown)}`;
  return new RegistryError('content/taken-down', message, { digest, code, by, recordId });
}

/** A takedown in words that follow "is". */
export function takedownText(name: PackageName, { code, reason, by, recordId }: TakedownInForce): string {
  const why = reason === '' ? code : `${code}: ${reason}`;
  return `taken down (${why}) by ${textOf(by, name)}, record ${recordId}`;
}
