import { RegistryError, type Namespace } from '@waybill/protocol';
import { editToml, type TomlSetting } from './toml-edit.ts';
import { TomlReader } from './toml-value.ts';

/* The config.toml of wkg 0.16: which registry it asks for which namespace, and how. */

/** Where wkg goes for these where nobody says otherwise; a default registry would take them, too. */
const WKG_FALLBACKS: Readonly<Record<string, string>> = { wasi: 'wasi.dev', ba: 'bytecodealliance.org' };

/** What wkg is to know of a registry. */
export interface WkgRegistry {
  readonly url: URL;
  /** Those that wkg is to get from it; `null`: all for which nothing else is said. */
  readonly namespaces: readonly Namespace[] | null;
}

export interface WkgConfigChange {
  readonly text: string;
  /** The default registry that was replaced; `null` for none. */
  readonly replacedDefault: string | null;
}

/**
 * A config.toml with this registry in it, and everything else as it was. `wasi` and `ba` still go where they went. Throws
 * `usage/invalid` for a file that cannot be read or changed, and for a registry below a path, where no OCI client looks.
 */
export function wkgConfigWith(
  registry: WkgRegistry,
  file: { readonly file: string; readonly text: string },
): WkgConfigChange {
  const host = wkgHost(registry.url);
  const toml = { ...file, code: 'usage/invalid' as const };
  const before = TomlReader.open(toml);
  const oldDefault = before.has('default_registry') ? before.text('default_registry') : null;
  const mapped = before.has('namespace_registries') ? before.table('namespace_registries') : null;
  const other = oldDefault === host ? null : oldDefault;
  const isDefault = registry.namespaces === null;
  const kept = Object.entries(WKG_FALLBACKS)
    .filter(([namespace]) => isDefault && mapped?.has(namespace) !== true)
    .map(([namespace, fallback]) => mapping(namespace, other ?? fallback));
  const text = editToml(toml, [
    ...(isDefault ? [{ table: [], key: 'default_registry', value: host }] : []),
    ...(registry.namespaces ?? []).map((namespace) => mapping(namespace, host)),
    ...kept,
    ...protocolSettings(registry.url, before),
  ]);
  return { text, replacedDefault: isDefault ? other : null };
}

/** As wkg and its credentials name the registry. Throws `usage/invalid`. */
export function wkgHost({ host, pathname, href }: URL): string {
  if (pathname === '/') return host;
  throw new RegistryError('usage/invalid', `${href}: clients of OCI look for a registry at the root of its host only`);
}

function mapping(namespace: string, registry: string): TomlSetting {
  return { table: ['namespace_registries'], key: namespace, value: registry };
}

/** wkg takes https unless it is told, even for this machine. */
function protocolSettings({ protocol, host }: URL, before: TomlReader): TomlSetting[] {
  const setting = { table: ['registry', host, 'oci'], key: 'protocol' };
  if (protocol === 'http:') return [{ ...setting, value: 'http' }];
  const tables = ['registry', host, 'oci'].reduce<TomlReader | null>(
    (at, key) => (at?.has(key) === true ? at.table(key) : null),
    before,
  );
  return tables?.has('protocol') === true ? [{ ...setting, value: 'https' }] : [];
}
