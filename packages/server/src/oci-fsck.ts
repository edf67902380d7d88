import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError, messageOf } from '@waybill/protocol';
import { algorithmOf, ociDigestOf, type OciDigest } from '@waybill/protocol/oci';
import { readBlobFile } from './blobs/oci-files/oci-blob-files.ts';
import { blobFileOf, blobsFolder, findBlob, surveyOciFiles } from './blobs/oci-files/oci-places.ts';
import { Findings, MISSING, OTHER_BYTES, type Flaw } from './core/fsck/findings.ts';
import type { BlobLink } from './core/oci-ports.ts';
import { ociFolderOf, ociStoreFileOf } from './data-folder.ts';
import {
  openOciInspection,
  repairOciSqlite,
  type InspectedLink,
  type OciInspection,
} from './storage/oci-sqlite/oci-inspection.ts';

export interface OciChecked {
  readonly flaws: readonly Flaw[];
  readonly repaired: readonly Flaw[];
  readonly remarks: readonly string[];
}

interface OciCheckOptions {
  readonly repair: boolean;
  /** Read blobs, too. */
  readonly content: boolean;
}

/**
 * Checks what the OCI side keeps beside the log, in a data folder that this process holds. The repair takes away blobs that
 * are not right, and links without one, so that they can be pushed again. Nothing is found in a folder that has none.
 */
export async function checkOciSide(directory: string, options: OciCheckOptions): Promise<OciChecked> {
  const before = await inspectSide(directory, options.content);
  const { flaws, remarks } = before.findings;
  const blobs = new Set([...before.badBlobs, ...before.badRows]);
  if (!options.repair || (before.badLinks.length === 0 && blobs.size === 0 && !before.isMiscounted))
    return { flaws, repaired: [], remarks };
  try {
    // Links first: a crash between the two leaves blobs that nothing names, which the server sweeps.
    repairOciSqlite(ociStoreFileOf(directory), { links: before.badLinks, blobs });
    for (const digest of before.badBlobs) await rm(blobFileOf(ociFolderOf(directory), digest).file, { force: true });
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    before.findings.add('oci', 'oci.sqlite', `it could not be repaired: ${messageOf(failure)}`);
    return { flaws: before.findings.flaws, repaired: [], remarks };
  }
  // Blobs that were right are as they were: they need not be read again.
  const left = (await inspectSide(directory, false)).findings.flaws;
  const isLeft = new Set(left.map(nameOf));
  return { flaws: left, repaired: flaws.filter((flaw) => !isLeft.has(nameOf(flaw))), remarks };
}

function nameOf({ at, problem }: Flaw): string {
  return `${at} ${problem}`;
}

/** Links without a right blob, and blobs that are not right: one with the wrong size in a link may be. */
interface BadPlaces {
  readonly badLinks: readonly BlobLink[];
  readonly badBlobs: ReadonlySet<OciDigest>;
  /** Of small blobs that have a right file, too: it counts once the row is gone. */
  readonly badRows: ReadonlySet<OciDigest>;
}

interface SideInspection extends BadPlaces {
  readonly findings: Findings;
  readonly isMiscounted: boolean;
}

async function inspectSide(directory: string, content: boolean): Promise<SideInspection> {
  const findings = new Findings();
  const root = ociFolderOf(directory);
  const file = ociStoreFileOf(directory);
  for await (const { file: found, digest } of surveyOciFiles(root)) {
    if (digest === null) findings.remark(`oci/${path.relative(root, found)}: it has no business there`);
  }
  if (!existsSync(file)) {
    if (existsSync(blobsFolder(root)))
      findings.add('oci', 'oci.sqlite', 'it is missing, and with it all that was pushed: take it from a backup');
    return { findings, ...NO_BAD_PLACES, isMiscounted: false };
  }
  try {
    const store = openOciInspection(file);
    try {
      return await inspectStore(store, { root, findings, content });
    } finally {
      store.close();
    }
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    findings.add('oci', 'oci.sqlite', messageOf(failure));
    return { findings, ...NO_BAD_PLACES, isMiscounted: false };
  }
}

const NO_BAD_PLACES: BadPlaces = { badLinks: [], badBlobs: new Set(), badRows: new Set() };

interface SideParts {
  readonly root: string;
  readonly findings: Findings;
  readonly content: boolean;
}

async function inspectStore(store: OciInspection, parts: SideParts): Promise<SideInspection> {
  const { findings } = parts;
  for (const problem of store.checkFile()) findings.add('oci', 'file of oci.sqlite', problem);
  const miscounted = store.countMiscounted();
  if (miscounted > 0) findings.add('oci', 'links', `${miscounted} say wrongly whether a manifest names them`, true);
  for (const row of store.manifests()) {
    const problem = 'problem' in row ? row.problem : digestProblem(row.value.digest, row.value.bytes);
    if (problem !== null) findings.add('oci', `manifest ${row.at}`, `${problem}: push it again`);
  }
  return { findings, ...(await inspectLinks(store, parts)), isMiscounted: miscounted > 0 };
}

function digestProblem(digest: OciDigest, bytes: Uint8Array): string | null {
  return ociDigestOf(algorithmOf(digest), bytes) === digest ? null : OTHER_BYTES;
}

async function inspectLinks(store: OciInspection, { root, findings, content }: SideParts): Promise<BadPlaces> {
  const badLinks: BlobLink[] = [];
  const [badBlobs, badRows] = [new Set<OciDigest>(), new Set<OciDigest>()];
  const known = new Map<OciDigest, LookedBlob>();
  for (const row of store.links()) {
    if ('problem' in row) {
      findings.add('oci', `link ${row.at}`, row.problem);
      continue;
    }
    const link = row.value;
    const blob = known.get(link.digest) ?? (await lookAtBlob({ store, root, content }, link.digest));
    known.set(link.digest, blob);
    if ('rowProblem' in blob && !badRows.has(link.digest)) {
      badRows.add(link.digest);
      findings.add('oci', `row of ${link.digest}`, `${blob.rowProblem}, and its file is right`, true);
    }
    const problem = 'problem' in blob ? blob.problem : sizeProblem(link, blob.size);
    if (problem === null) continue;
    badLinks.push(link);
    // Unread, nobody knows which of the two sizes is right.
    if ('problem' in blob) badBlobs.add(link.digest);
    if (link.isNamed) findings.add('oci', `blob ${row.at}`, `${problem}: push it again`);
    else findings.remark(`blob ${row.at}: ${problem}; no manifest names it, and a power cut may take such a blob`);
  }
  return { badLinks, badBlobs, badRows };
}

function sizeProblem({ size: said }: InspectedLink, size: number): string | null {
  return size === said ? null : `it has ${size} bytes, not ${said}`;
}

type LookedBlob =
  | { readonly size: number }
  | { readonly size: number; readonly rowProblem: string }
  | { readonly problem: string };

/** A blob, read to its end where `content` is asked for; a row always is. */
async function lookAtBlob(
  { store, root, content }: Pick<SideParts, 'root' | 'content'> & { readonly store: OciInspection },
  digest: OciDigest,
): Promise<LookedBlob> {
  try {
    const row = store.blob(digest);
    if (row === null) return await lookAtFile(root, digest, content);
    const rowProblem = digestProblem(digest, row);
    if (rowProblem === null) return { size: row.length };
    const file = await lookAtFile(root, digest, true);
    return 'problem' in file ? { problem: rowProblem } : { ...file, rowProblem };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    return { problem: messageOf(failure) };
  }
}

async function lookAtFile(
  root: string,
  digest: OciDigest,
  content: boolean,
): Promise<{ readonly size: number } | { readonly problem: string }> {
  const found = findBlob(root, digest);
  if (found === null) return { problem: MISSING };
  const { size } = found;
  if (!content) return { size };
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  for await (const chunk of readBlobFile(root, digest, { start: 0, end: size })) hash.update(chunk);
  return `${algorithm}:${hash.digest('hex')}` === digest ? { size } : { problem: OTHER_BYTES };
}
