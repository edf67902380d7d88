import type { Finding, Verdict } from '../finding.ts';
import type { SourceTree } from '../source-tree.ts';

/** A repository is cloned by everybody; what is large belongs where it can be fetched on demand. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Written so that no pattern matches the line it stands on. */
const FORBIDDEN: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /(?<![\w.~$}-])\/(?:work|root)\//, message: "A path of somebody's machine." },
  {
    pattern: /npm[j]s\.|crates[.]io|proxy\.golan[g]|pypi[.]org|deb\.debia[n]/,
    message: 'The address of a package registry: the reader may use another one.',
  },
];

/** cargo writes this name into every lock file; it stands for whatever registry the machine has configured. */
const CARGO_SOURCE = /"registry\+[^"]*"/g;

/** Nothing in the repository is tied to one machine or one package registry, and no file is huge. */
export function portableText(tree: SourceTree): Verdict {
  const findings = tree.files.flatMap((path): Finding[] => {
    const bytes = tree.bytes(path);
    if (bytes > FILE_BYTES_MAX) {
      return [{ file: path, line: 1, message: `${bytes} bytes; a file may have at most ${FILE_BYTES_MAX}.` }];
    }
    const content = tree.read(path);
    return content.includes(0) ? [] : forbiddenLines(path, new TextDecoder().decode(content));
  });
  return { findings, figures: [] };
}

function forbiddenLines(path: string, text: string): Finding[] {
  return text.split('\n').flatMap((line, index) => {
    const checked = path.endsWith('Cargo.lock') ? line.replaceAll(CARGO_SOURCE, '') : line;
    const broken = FORBIDDEN.filter(({ pattern }) => pattern.test(checked));
    return broken.map(({ message }) => ({ file: path, line: index + 1, message }));
  });
}
