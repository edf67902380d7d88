import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';

/** Where things are in the data folder of a registry. */
export interface DataFolder {
  readonly directory: string;
  readonly storeFile: string;
  readonly contentFolder: string;
  readonly operatorKeyFile: string;
}

export function dataFolder(directory: string): DataFolder {
  return {
    directory,
    storeFile: path.join(directory, 'registry.sqlite'),
    contentFolder: path.join(directory, 'content'),
    operatorKeyFile: path.join(directory, 'operator.key'),
  };
}

/** The data folder of a registry that was started before. Throws `usage/invalid` for any other. */
export async function existingDataFolder(directory: string): Promise<DataFolder> {
  const folder = dataFolder(directory);
  const stat = await lstat(folder.storeFile).catch(() => null);
  if (stat?.isFile() === true) return folder;
  throw new RegistryError(
    'usage/invalid',
    `${directory} is no data folder of a registry: name the one given to "waybill serve"`,
  );
}

/** What was last signed, unless another place is named. */
export function lastSignedFileOf(directory: string): string {
  return path.join(directory, 'last-signed');
}

/** Manifests, tags and links of the OCI side; missing in a data folder that no newer build has served. */
export function ociStoreFileOf(directory: string): string {
  return path.join(directory, 'oci.sqlite');
}

/** Blobs and unfinished uploads of the OCI side. */
export function ociFolderOf(directory: string): string {
  return path.join(directory, 'oci');
}
