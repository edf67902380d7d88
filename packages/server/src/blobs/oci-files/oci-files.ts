import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureDigestFolders, ensureFolder, FOLDER_MODE, syncFolder } from '../durable-files.ts';
import { withFileFailures } from '../file-failure.ts';
import type { BlobRows } from '../../core/oci-ports.ts';
import { OciBlobFiles, type SharedContentStore } from './oci-blob-files.ts';
import { OciBlobs } from './oci-blobs.ts';
import { algorithmFolder, blobsFolder, OCI_ALGORITHMS, uploadsFolder } from './oci-places.ts';
import { OciUploadFiles } from './oci-upload-files.ts';

/**
 * The OCI side's blobs and unfinished uploads as files under `root`, which shares files with the log's content, and small blobs
 * as `rows`. One process at
 * a time: half made sessions of an earlier one are removed here.
 */
export async function openOciFiles(
  root: string,
  content: SharedContentStore,
  rows: BlobRows,
): Promise<{ readonly blobs: OciBlobs; readonly uploads: OciUploadFiles }> {
  const folders = await withFileFailures(root, () => prepareFolders(root), 'storage/failed');
  const blobs = new OciBlobs(rows, new OciBlobFiles(root, content, folders), content);
  const uploads = new OciUploadFiles(root, blobs);
  await uploads.removeLeftovers();
  return { blobs, uploads };
}

/** Gives those for blobs by SHA-256, which nearly all are; others are made when the first blob comes. */
async function prepareFolders(root: string): Promise<readonly string[]> {
  await mkdir(root, { recursive: true, mode: FOLDER_MODE });
  await syncFolder(path.dirname(root));
  await ensureFolder(uploadsFolder(root));
  await ensureFolder(blobsFolder(root));
  for (const algorithm of OCI_ALGORITHMS) await ensureFolder(algorithmFolder(root, algorithm));
  return ensureDigestFolders(algorithmFolder(root, 'sha256'));
}
