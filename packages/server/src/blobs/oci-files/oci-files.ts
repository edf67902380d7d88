import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureDigestFolders, ensureFolder, FOLDER_MODE, syncFolder } from '../durable-files.ts';
import { withFileFailures } from '../file-failure.ts';
import { OciBlobFiles, type SharedContentStore } from './oci-blob-files.ts';
import { algorithmFolder, OCI_ALGORITHMS, uploadsFolder } from './oci-places.ts';
import { OciUploadFiles } from './oci-upload-files.ts';

/**
 * The OCI side's blobs and unfinished uploads as files under `root`, which shares files with the log's content. One process at
 * a time: half made sessions of an earlier one are removed here.
 */
export async function openOciFiles(
  root: string,
  content: SharedContentStore,
): Promise<{ readonly blobs: OciBlobFiles; readonly uploads: OciUploadFiles }> {
  const folders = await withFileFailures(root, () => prepareFolders(root), 'storage/failed');
  const blobs = new OciBlobFiles(root, content, folders);
  const uploads = new OciUploadFiles(root, blobs);
  await uploads.removeLeftovers();
  return { blobs, uploads };
}

/** Gives those for blobs by SHA-256, which nearly all are; others are made when the first blob comes. */
async function prepareFolders(root: string): Promise<readonly string[]> {
  await mkdir(root, { recursive: true, mode: FOLDER_MODE });
  await syncFolder(path.dirname(root));
  await ensureFolder(uploadsFolder(root));
  await ensureFolder(path.join(root, 'blobs'));
  for (const algorithm of OCI_ALGORITHMS) await ensureFolder(algorithmFolder(root, algorithm));
  return ensureDigestFolders(algorithmFolder(root, 'sha256'));
}
