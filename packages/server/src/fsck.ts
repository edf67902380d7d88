import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError, messageOf, parsePrivateKey } from '@waybill/protocol';
import { readContentFiles, surveyContentFiles } from './blobs/files/content-files.ts';
import { ContentCheck } from './core/fsck/content-check.ts';
import { Findings, type Flaw } from './core/fsck/findings.ts';
import { checkRegistry, type RegistryChecked } from './core/fsck/registry-check.ts';
import { RepairPlan } from './core/fsck/repair-plan.ts';
import { HoldingsFill } from './core/holdings-fill.ts';
import { rollbackReason } from './core/signed-mark.ts';
import { existingDataFolder, lastSignedFileOf, type DataFolder } from './data-folder.ts';
import { inspectLastSigned } from './last-signed-file.ts';
import { readLogKeys } from './log-keys.ts';
import { checkOciSide } from './oci-fsck.ts';
import { holdDirectory } from './storage/sqlite/directory-lock.ts';
import { openSqliteInspection } from './storage/sqlite/sqlite-inspection.ts';
import { repairSqliteStore } from './storage/sqlite/sqlite-repair.ts';
import { openSqliteReader, openSqliteStore } from './storage/sqlite/sqlite-store.ts';

export type { Flaw, FlawKind } from './core/fsck/findings.ts';

export interface FsckOptions {
  readonly data: string;
  /** Otherwise `last-signed` in the data folder. */
  readonly lastSigned?: string;
  /** Write what can be derived from the records. */
  readonly repair: boolean;
  /** Read content, too. */
  readonly content: boolean;
  readonly onProgress: (step: string) => void;
}

export interface FsckReport {
  readonly records: number;
  /** Of the newest head that could be read; `null` without one. */
  readonly logLength: number | null;
  /** What is still wrong. */
  readonly flaws: readonly Flaw[];
  /** What was wrong, and was written anew. */
  readonly repaired: readonly Flaw[];
  readonly remarks: readonly string[];
}

/**
 * Checks a registry at rest, recomputing everything from its records, and tells every flaw. Throws `usage/invalid` for a
 * folder that holds no registry, `storage/busy` while a server runs on it.
 */
export async function fsck(options: FsckOptions): Promise<FsckReport> {
  const folder = await existingDataFolder(options.data);
  const release = holdDirectory(folder.directory);
  try {
    const report = await fsckLog(folder, options);
    options.onProgress('checking what was pushed as OCI artifacts');
    const oci = await checkOciSide(folder.directory, options);
    return {
      ...report,
      flaws: [...report.flaws, ...oci.flaws],
      repaired: [...report.repaired, ...oci.repaired],
      remarks: [...report.remarks, ...oci.remarks],
    };
  } finally {
    release();
  }
}

async function fsckLog(folder: DataFolder, options: FsckOptions): Promise<FsckReport> {
  const before = await inspectFolder(folder, options);
  const plan = options.repair ? before.repairs.build() : null;
  if (plan === null) return reportOf(before, before.findings.flaws, []);
  options.onProgress('repairing');
  try {
    repairSqliteStore(folder.storeFile, plan);
    if (plan.emptyHoldings) await makeHoldings(folder);
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    before.findings.add('store', 'store', `it could not be repaired: ${messageOf(failure)}`);
    return reportOf(before, before.findings.flaws, []);
  }
  // Content is as it was: it need not be read again.
  const after = await inspectFolder(folder, { ...options, content: false });
  const flaws = [...after.findings.flaws, ...before.findings.flaws.filter(({ kind }) => kind === 'content')];
  const isLeft = new Set(flaws.map(nameOf));
  return reportOf(
    { ...after, findings: before.findings },
    flaws,
    before.findings.flaws.filter((flaw) => !isLeft.has(nameOf(flaw))),
  );
}

/** As a server does beside its other work. */
async function makeHoldings({ storeFile }: DataFolder): Promise<void> {
  const store = await openSqliteStore(storeFile);
  try {
    const filling = new HoldingsFill({ store, writer: store });
    while (await filling.step());
  } finally {
    await store.close();
  }
}

interface Inspection {
  readonly checked: RegistryChecked;
  readonly findings: Findings;
  readonly repairs: RepairPlan;
}

function reportOf({ checked, findings }: Inspection, flaws: readonly Flaw[], repaired: readonly Flaw[]): FsckReport {
  const logLength = checked.newest?.checkpoint.contents.logLength ?? null;
  return { records: checked.records, logLength, flaws, repaired, remarks: findings.remarks };
}

function nameOf({ kind, at, problem }: Flaw): string {
  return `${kind} ${at} ${problem}`;
}

async function inspectFolder(folder: DataFolder, options: FsckOptions): Promise<Inspection> {
  const findings = new Findings();
  const repairs = new RepairPlan();
  const logSigners = await flawUnless(findings, 'key', 'keys of the logs', () => readLogKeys(folder.directory));
  const content = new ContentCheck(options.content ? readContentFiles(folder.contentFolder) : null, findings);
  const { onProgress } = options;
  const checked =
    (await flawUnless(findings, 'store', 'store', async () => {
      const store = openSqliteInspection(folder.storeFile);
      try {
        return await checkRegistry({ store, content, logSigners, findings, repairs, onProgress });
      } finally {
        store.close();
      }
    })) ?? NOTHING_CHECKED;
  await checkLastSigned(folder, options, findings);
  await checkOperatorKey(folder, checked, findings);
  if (options.content) await remarkLeftovers(folder, content, findings);
  return { checked, findings, repairs };
}

const NOTHING_CHECKED: RegistryChecked = { records: 0, newest: null, operator: null };

async function flawUnless<T>(
  findings: Findings,
  kind: 'key' | 'store' | 'last-signed',
  at: string,
  step: () => Promise<T>,
): Promise<T | null> {
  try {
    return await step();
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    findings.add(kind, at, messageOf(failure));
    return null;
  }
}

async function checkLastSigned(folder: DataFolder, options: FsckOptions, findings: Findings): Promise<void> {
  const file = options.lastSigned ?? lastSignedFileOf(folder.directory);
  await flawUnless(findings, 'last-signed', file, async () => {
    const state = await inspectLastSigned(file);
    const reader = openSqliteReader(folder.storeFile);
    try {
      const why = await rollbackReason(reader, await reader.readHead(), state?.mark ?? null);
      if (why !== null) findings.add('last-signed', file, `${why}: see "waybill operator adopt --help"`);
    } finally {
      reader.close();
    }
    if (state !== null && state.tornSlots > 0) {
      const problem = `${state.tornSlots} of its 2 places are damaged; if a crash did it, the next start writes them anew`;
      findings.add('last-signed', file, problem);
    }
  });
}

async function checkOperatorKey(
  { operatorKeyFile }: DataFolder,
  { operator }: RegistryChecked,
  findings: Findings,
): Promise<void> {
  const text = await readFile(operatorKeyFile, 'utf8').catch(() => null);
  if (text === null) {
    findings.remark(`${operatorKeyFile} is not here: without it the server does not start`);
    return;
  }
  const key = await flawUnless(findings, 'key', operatorKeyFile, async () => parsePrivateKey(text.trim()));
  if (key === null || operator === null || operator.length === 0) return;
  if (operator.permissions.get(key.publicKey.id)?.has('commit') === true) return;
  findings.add('key', operatorKeyFile, 'the log of the operator does not let this key sign heads');
}

async function remarkLeftovers(
  { contentFolder }: DataFolder,
  content: ContentCheck,
  findings: Findings,
): Promise<void> {
  for await (const { file, digest } of surveyContentFiles(contentFolder)) {
    if (digest !== null && content.isKnown(digest)) continue;
    findings.remark(`${path.relative(contentFolder, file)}: no record names it`);
  }
}
