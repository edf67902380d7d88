import { isRegistryError, messageOf, parsePackageName, RegistryError, type PackageName } from '@waybill/protocol';
import { parseRequirement, type Requirement } from '../requirement.ts';
import { parseRegistryUrl } from '../transport.ts';
import { TomlReader, tomlText } from './toml-value.ts';

export const MANIFEST_FILE = 'waybill.toml';

/** What a project says in its waybill.toml. */
export interface Manifest {
  /** `null`: whatever the user's settings say. */
  readonly registry: URL | null;
  /** By name. */
  readonly dependencies: readonly Requirement[];
}

/** Throws `usage/invalid`. */
export function parseManifest(text: string): Manifest {
  const file = TomlReader.open({ file: MANIFEST_FILE, text, code: 'usage/invalid' });
  file.requireOnly('registry', 'dependencies');
  const registry = file.has('registry') ? file.parsed('registry', parseRegistryUrl) : null;
  if (!file.has('dependencies')) return { registry, dependencies: [] };
  const table = file.table('dependencies');
  const dependencies = table.keys().map((key) => dependencyIn(table, key));
  return { registry, dependencies: dependencies.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

function dependencyIn(table: TomlReader, key: string): Requirement {
  const name = nameIn(table, key);
  return table.parsed(key, (range) => parseRequirement(`${name}@${range}`));
}

function nameIn(table: TomlReader, key: string): PackageName {
  try {
    return parsePackageName(key);
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw table.wrong(key, `is no package: ${messageOf(cause)}`, cause);
  }
}

const HEADER = '[dependencies]';

/**
 * The text of a manifest with one dependency added, or its range replaced; all else stays as it was written. Throws
 * `usage/invalid` for a text that is written in a way that cannot be changed here.
 */
export function withDependency(text: string, name: PackageName, range: string): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const line = `${tomlText(name)} = ${tomlText(range)}`;
  const start = lines.findIndex((each) => each.trim() === HEADER);
  if (start < 0) lines.push(...(lines.length === 0 ? [] : ['']), HEADER, line);
  else {
    const end = endOfTable(lines, start);
    const own = lines.findIndex((each, i) => i > start && i < end && keyOf(each) === name);
    if (own < 0) lines.splice(end, 0, line);
    else lines[own] = line;
  }
  const changed = `${lines.join('\n')}\n`;
  requireMeaning(text, changed, { name, version: range });
  return changed;
}

/** After the last line of a table that is not blank. */
function endOfTable(lines: readonly string[], start: number): number {
  const next = lines.findIndex((each, i) => i > start && each.trimStart().startsWith('['));
  let end = next < 0 ? lines.length : next;
  while (end > start + 1 && (lines[end - 1] ?? '').trim() === '') end--;
  return end;
}

function keyOf(line: string): string | null {
  return (
    /^\s*(?:"([^"]*)"|'([^']*)')\s*=/
      .exec(line)
      ?.slice(1)
      .find((key) => key !== undefined) ?? null
  );
}

/** A change to text that people wrote counts only when it reads as it was meant. */
function requireMeaning(before: string, after: string, added: Requirement): void {
  const expected = new Map(parseManifest(before).dependencies.map(({ name, version }) => [name, version]));
  expected.set(added.name, added.version);
  const message = `${MANIFEST_FILE} is written in a way that cannot be changed here: add ${tomlText(added.name)} = ${tomlText(added.version ?? '*')} under ${HEADER} by hand`;
  try {
    const found = new Map(parseManifest(after).dependencies.map(({ name, version }) => [name, version]));
    if (found.size === expected.size && [...expected].every(([name, version]) => found.get(name) === version)) return;
  } catch (cause) {
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
  throw new RegistryError('usage/invalid', message);
}
