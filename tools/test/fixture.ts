import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { tidy } from '../src/tidy.ts';

/**
 * What tidy says about a repository that consists of the given files.
 * @returns `file:line message` for each finding
 */
export function findingsIn(files: Readonly<Record<string, string>>): readonly string[] {
  return inFolder(files, (root) => tidy(root).findings.map(({ file, line, message }) => `${file}:${line} ${message}`));
}

/** The figures of tidy's summary for the given files. */
export function figuresOf(files: Readonly<Record<string, string>>): string {
  return inFolder(files, (root) => tidy(root).figures.join('; '));
}

function inFolder<T>(files: Readonly<Record<string, string>>, judge: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'waybill-tidy-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return judge(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
