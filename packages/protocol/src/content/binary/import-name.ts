/** The name of an import or export of a component, by its form. */
export type ComponentName =
  /** `label`, or `[method]resource.label` and the like. */
  | { readonly type: 'plain'; readonly name: string }
  | ({ readonly type: 'interface' } & InterfaceName)
  /** `unlocked-dep=<…>` and `locked-dep=<…>`, as tools wrote them until 2026. */
  | ({ readonly type: 'dependency' } & DependencyName)
  | { readonly type: 'url'; readonly url: string; readonly integrity: string | null }
  | { readonly type: 'integrity'; readonly integrity: string }
  | { readonly type: 'not-analysed'; readonly name: string };

/** `namespace:package/interface@version`. */
export interface InterfaceName {
  readonly namespace: string;
  readonly package: string;
  readonly interface: string;
  readonly version: string | null;
}

export interface DependencyName {
  /** Whether it names one release, not a range. */
  readonly isLocked: boolean;
  readonly namespace: string;
  readonly package: string;
  /** `null` where every version will do. */
  readonly version: string | null;
  /** From this version on, of a range. */
  readonly lower: string | null;
  /** Below this version, of a range. */
  readonly upper: string | null;
  /** As in subresource integrity: `sha256-…`. */
  readonly integrity: string | null;
}

const WORDS = '[a-z][0-9a-z]*(?:-[0-9a-z]+)*';
const LABEL = '[A-Za-z][0-9A-Za-z]*(?:-[0-9A-Za-z]+)*';
/** Loose: what a version is, is for those to say who compare them. */
const VERSION = '[0-9A-Za-z.+-]+';

const INTERFACE = new RegExp(`^(${WORDS}):(${WORDS})/(${LABEL})(?:@(${VERSION}))?$`);
const PLAIN = new RegExp(String.raw`^(?:\[[a-z -]+\])*${LABEL}(?:\.${LABEL})?$`);
const INTEGRITY = /^integrity=<([^<>]*)>$/;
const URL_NAME = /^url=<([^<>]*)>(?:,integrity=<([^<>]*)>)?$/;
const LOCKED = new RegExp(`^locked-dep=<(${WORDS}):(${WORDS})(?:@(${VERSION}))?>(?:,integrity=<([^<>]*)>)?$`);
const UNLOCKED = new RegExp(
  String.raw`^unlocked-dep=<(${WORDS}):(${WORDS})(?:@(?:\*|\{(?:>=(${VERSION}))? ?(?:<(${VERSION}))?\}))?>$`,
);

export function parseComponentName(name: string): ComponentName {
  const found = INTERFACE.exec(name);
  if (found !== null) return { type: 'interface', ...interfaceName(found) };
  if (PLAIN.test(name)) return { type: 'plain', name };
  return oldName(name) ?? { type: 'not-analysed', name };
}

function interfaceName([, namespace = '', packageName = '', label = '', version]: RegExpExecArray): InterfaceName {
  return { namespace, package: packageName, interface: label, version: version ?? null };
}

function oldName(name: string): ComponentName | null {
  const locked = LOCKED.exec(name);
  if (locked !== null) return lockedDependency(locked);
  const unlocked = UNLOCKED.exec(name);
  if (unlocked !== null) return unlockedDependency(unlocked);
  const url = URL_NAME.exec(name);
  if (url !== null) return { type: 'url', url: url[1] ?? '', integrity: url[2] ?? null };
  const integrity = INTEGRITY.exec(name);
  return integrity === null ? null : { type: 'integrity', integrity: integrity[1] ?? '' };
}

function lockedDependency([, namespace = '', packageName = '', version, integrity]: RegExpExecArray): ComponentName {
  const range = { version: version ?? null, lower: null, upper: null };
  return {
    type: 'dependency',
    isLocked: true,
    namespace,
    package: packageName,
    ...range,
    integrity: integrity ?? null,
  };
}

function unlockedDependency([, namespace = '', packageName = '', lower, upper]: RegExpExecArray): ComponentName {
  const range = { version: null, lower: lower ?? null, upper: upper ?? null };
  return { type: 'dependency', isLocked: false, namespace, package: packageName, ...range, integrity: null };
}
