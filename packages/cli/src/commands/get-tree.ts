import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { fetchTreeFiles, fetchTreeIndex, readCached, selectFiles, type TreeSelection } from '@waybill/client';
import { writeTreeFolder } from '@waybill/client/node';
import { RegistryError } from '@waybill/protocol';
import type { TreeFile } from '@waybill/protocol/content';
import type { CommandResult } from '../action.ts';
import { FileDelivery, type ContentListener } from '../file-delivery.ts';
import { contentCacheOf } from '../session.ts';
import { bareName, custodyLines, deliverToPipe, foundBody, type FoundRelease, type GetParts } from './get-output.ts';

/** A release that is a tree, and what of it is wanted. */
export interface FoundTree extends FoundRelease {
  /** A path, a folder or a glob; `null` for all of it. */
  readonly wanted: string | null;
}

/** Fetches a tree or a part of it: the index by the release, the files by the index. */
export async function getTree(parts: GetParts, found: FoundTree): Promise<CommandResult | null> {
  const { context, client, progress } = parts;
  const cache = contentCacheOf(context);
  const selection = await client.reading(async () => {
    const onProgress = (done: number, total: number): void => progress.step(`received ${done} of ${total} files`);
    const fetching = { client, cache, onProgress };
    const files = await fetchTreeIndex(found.resolved, fetching);
    const chosen = found.wanted === null ? { files, isExact: false } : selectFiles(files, found.wanted);
    await fetchTreeFiles(chosen.files, fetching);
    return chosen;
  });
  const [only] = selection.files;
  return selection.isExact && only !== undefined ? writeOne(parts, found, only) : writeFolder(parts, found, selection);
}

/** The index of the tree has said all that there is to say of a file. */
const NO_OBJECTION: ContentListener = { update: () => undefined, finish: () => undefined };

async function writeOne(
  { context, flags, progress }: GetParts,
  found: FoundTree,
  file: TreeFile,
): Promise<CommandResult | null> {
  const { name, resolved, warnings } = found;
  const output = flags.output ?? path.posix.basename(file.path);
  progress.step(`writing ${output}`);
  const { digest } = file;
  const cache = contentCacheOf(context);
  if (output === '-') {
    await deliverToPipe(await readCached(cache, digest), digest);
    return null;
  }
  await new FileDelivery({ cache, digest, output, listen: () => NO_OBJECTION }).finish();
  const what = `${name}@${resolved.release.version}/${file.path}`;
  const json = {
    ...foundBody(found),
    path: file.path,
    fileDigest: file.digest,
    file: path.resolve(output),
    warnings: [...warnings],
  };
  return { text: `${what} → ${output} (${file.digest}, verified)${custodyLines(found)}`, json };
}

async function writeFolder(
  { context, flags, progress }: GetParts,
  found: FoundTree,
  { files }: TreeSelection,
): Promise<CommandResult> {
  const { name, resolved, warnings } = found;
  const output = flags.output ?? bareName(name);
  if (output === '-') {
    throw new RegistryError(
      'usage/invalid',
      'several files do not fit on standard output: name a folder with --output',
    );
  }
  if (flags.force === true) await requireOutside(output);
  progress.step(`writing ${output}`);
  const tree = { files, cache: contentCacheOf(context) };
  const outcome = await writeTreeFolder(output, tree, flags.force === true ? 'replace' : 'keep');
  const said = outcome === 'same' ? 'there already' : 'verified';
  const count = `${files.length} ${files.length === 1 ? 'file' : 'files'}`;
  const json = {
    ...foundBody(found),
    folder: path.resolve(output),
    files: files.length,
    unchanged: outcome === 'same',
    warnings: [...warnings],
  };
  return {
    text: `${name}@${resolved.release.version} → ${output} (${count}, ${resolved.content}, ${said})${custodyLines(found)}`,
    json,
  };
}

/** Throws `usage/invalid` for a folder that holds the one in which somebody works: replacing it would cost more than is meant. */
async function requireOutside(output: string): Promise<void> {
  const folder = path.resolve(output);
  // A link on the way there does not hide where it is. One in its place is replaced itself, not what it leads to.
  const below = await realpath(path.dirname(folder)).catch(() => path.dirname(folder));
  const fromThere = path.relative(path.join(below, path.basename(folder)), await realpath(process.cwd()));
  if (fromThere === '..' || fromThere.startsWith(`..${path.sep}`) || path.isAbsolute(fromThere)) return;
  throw new RegistryError(
    'usage/invalid',
    `${output} holds the folder you are in, and --force would replace it: name another`,
  );
}
