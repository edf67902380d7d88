import { parse, type TomlTable, type TomlValue } from 'smol-toml';
import { TomlReader, tomlText, type TomlFile } from './toml-value.ts';

/** A text in a table of a TOML file; the empty path is the top. */
export interface TomlSetting {
  readonly table: readonly string[];
  readonly key: string;
  readonly value: string;
}

/**
 * The file with these texts in it, and every other byte as it was: comments, order and spaces are whoever's wrote them. Throws
 * the file's code where it is not TOML, or so written that a line in it cannot be changed alone.
 */
export function editToml(file: TomlFile, settings: readonly TomlSetting[]): string {
  const before = TomlReader.open(file);
  const wanted = parse(file.text);
  for (const setting of settings) setValue(wanted, setting, before);
  const edited = settings.reduce(withSetting, file.text);
  // The lines were found by their look: what a reader makes of the whole decides whether they were the right ones.
  if (isSame(wanted, edited)) return edited;
  throw before.wrong(settings.map(pathOf).join(', '), 'cannot be set without writing the file anew: do that by hand');
}

function setValue(root: TomlTable, { table, key, value }: TomlSetting, file: TomlReader): void {
  let at = root;
  for (const name of table) {
    const next: TomlValue = (Object.hasOwn(at, name) ? at[name] : undefined) ?? {};
    if (!isTable(next)) throw file.wrong(name, 'is not a table');
    at[name] = next;
    at = next;
  }
  at[key] = value;
}

function isSame(wanted: TomlTable, text: string): boolean {
  try {
    return sortedText(parse(text)) === sortedText(wanted);
  } catch {
    return false;
  }
}

function sortedText(value: TomlValue): string {
  if (Array.isArray(value)) return `[${value.map(sortedText).join(',')}]`;
  if (!isTable(value)) return `${typeof value} ${JSON.stringify(value)}`;
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${sortedText(member)}`);
  return `{${members.toSorted().join(',')}}`;
}

function withSetting(text: string, setting: TomlSetting): string {
  const { table, key, value } = setting;
  const lines = text.split(/(?<=\n)/).filter((line) => line !== '');
  const end = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  const header = table.length === 0 ? -1 : lines.findIndex((line) => isHeaderOf(line, table));
  const written = `${keyText(key)} = ${tomlText(value)}`;
  if (header === -1 && table.length > 0) {
    const gap = text === '' ? '' : text.endsWith('\n') ? end : end + end;
    return `${text}${gap}[${table.map(keyText).join('.')}]${end}${written}${end}`;
  }
  const next = lines.findIndex((line, i) => i > header && /^\s*\[/.test(line));
  const last = next === -1 ? lines.length : next;
  const line = lines.findIndex((candidate, i) => i > header && i < last && isLineOf(candidate, key));
  const old = lines[line];
  if (old !== undefined) return lines.with(line, withValue(old, value)).join('');
  const place =
    1 + lines.findLastIndex((candidate, i) => i < last && (i === header || (i > header && isSaying(candidate))));
  const before = lines.slice(0, place).join('');
  const isOpen = before !== '' && !before.endsWith('\n');
  return `${before}${isOpen ? end : ''}${written}${end}${lines.slice(place).join('')}`;
}

/** No space, and no remark about what comes below. */
function isSaying(line: string): boolean {
  return /^\s*[^#\s]/.test(line);
}

function isHeaderOf(line: string, table: readonly string[]): boolean {
  if (!/^\s*\[(?!\[)/.test(line)) return false;
  const names = [];
  for (let at = parsedLine(line); at !== null;) {
    const [entry] = Object.entries(at);
    if (entry === undefined) break;
    names.push(entry[0]);
    at = isTable(entry[1]) ? entry[1] : null;
  }
  return names.length === table.length && names.every((name, i) => name === table[i]);
}

function isLineOf(line: string, key: string): boolean {
  if (!line.includes('=')) return false;
  const parsed = parsedLine(line);
  return parsed !== null && Object.hasOwn(parsed, key);
}

/** `null` for a line that is none by itself. */
function parsedLine(line: string): TomlTable | null {
  try {
    return parse(line);
  } catch {
    return null;
  }
}

/** What stands before the value and behind it stays. */
function withValue(line: string, value: string): string {
  const match = /^([^=]*=\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)(\s*(?:#.*)?\r?\n?)$/.exec(line);
  return match === null ? line : `${match[1]}${tomlText(value)}${match[2]}`;
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : tomlText(key);
}

function pathOf({ table, key }: TomlSetting): string {
  return [...table, key].map(keyText).join('.');
}

function isTable(value: TomlValue): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
}
