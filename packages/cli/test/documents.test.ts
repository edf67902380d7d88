import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openUser, type TestUser } from './registry.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

let user: TestUser;

before(async () => {
  user = await openUser();
});

after(() => user.dispose());

/** The names below COMMANDS in a help text; none for a command that has no others. */
function commandsIn(help: string): string[] {
  const [, list = ''] = help.split('\nCOMMANDS\n');
  const [names = ''] = list.split('\n\n');
  return names.split('\n').flatMap((line) => /^ {2}(\S+)/.exec(line)?.[1] ?? []);
}

interface CommandLine {
  readonly page: string;
  readonly words: readonly string[];
}

/** Every command line in the code of a page, without what stands behind a `#`. */
function commandLines(page: string, text: string): CommandLine[] {
  const blocks = [...text.matchAll(/```(?:sh|console)?\n(.*?)```/gs)].map((match) => match[1] ?? '');
  return blocks.flatMap((block) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/^\$ /, '').replace(/(?:^|\s)#.*/, ''))
      .filter((line) => line.startsWith('waybill '))
      .map((line) => ({ page, words: line.split(/\s+/).slice(1) })),
  );
}

/** Commands that are also what the name above them means by itself. */
const OTHER_NAMES: Readonly<Record<string, string>> = { record: 'say', config: 'set' };

/** The help of the command that a line names, found word by word. */
async function helpOf(words: readonly string[]): Promise<string> {
  const route: string[] = [];
  for (const word of words) {
    const help = await user.ok(...route, '--help');
    const names = commandsIn(help);
    if (names.length === 0) return help;
    route.push(names.includes(word) ? word : (OTHER_NAMES[route.join(' ')] ?? word));
  }
  return user.ok(...route, '--help');
}

test('the table of commands in the README has every command, and no other', async () => {
  const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
  const [, table = ''] = readme.split('| command | what it does |\n|---|---|\n');
  const [rows = ''] = table.split('\n\n');
  const first = rows.split('\n').flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^\s`]+)[^`]*`/g)]);
  const told = new Set(first.map((match) => match[1]));
  const commands = commandsIn(await user.ok('--help'));
  assert.ok(commands.length > 30);
  assert.deepEqual(
    commands.filter((name) => !told.has(name)),
    [],
  );
  const below = await Promise.all(['key', 'log'].map((name) => user.ok(name, '--help')));
  const known = new Set([...commands, ...below.flatMap(commandsIn)]);
  assert.deepEqual(
    [...told].filter((name) => name === undefined || !known.has(name)),
    [],
  );
});

test('every command line in the guides is of a command that there is, with flags that it has', async () => {
  const guides = (await readdir(path.join(ROOT, 'docs'))).filter((name) => name.endsWith('.md'));
  const pages = ['README.md', ...guides.map((name) => `docs/${name}`)];
  const texts = await Promise.all(pages.map((page) => readFile(path.join(ROOT, page), 'utf8')));
  const lines = texts.flatMap((text, i) => commandLines(pages[i] ?? '', text));
  assert.ok(lines.length > 50);
  const wrong: string[] = [];
  for (const { page, words } of lines) {
    const help = await helpOf(words);
    const flags = words.flatMap((word) => /^(--[a-z][a-z-]*)/.exec(word)?.[1] ?? []);
    const unknown = flags.filter((flag) => !help.includes(`${flag}]`) && !help.includes(` ${flag} `));
    if (unknown.length > 0) wrong.push(`${page}: waybill ${words.join(' ')} ${unknown.join(' ')}`);
  }
  assert.deepEqual(wrong, []);
});
