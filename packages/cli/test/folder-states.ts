import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Every file in a folder with its bytes, as text; nothing where there is no folder. */
export async function filesOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const read = files.map(
    async (file) => [path.relative(folder, file), (await readFile(file)).toString('hex')] as const,
  );
  return Object.fromEntries((await Promise.all(read)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What no command leaves behind for good. */
export async function leftIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => /\.tmp$|\.waybill-(?:old|turn)/.test(name));
}
