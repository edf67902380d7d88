import { parseRepository } from '@waybill/protocol/oci';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { pushBlob, sampleBlob } from '../../src/blobs/oci-conformance.ts';
import { openOciStorage } from '../../src/oci-storage.ts';
import { ociChange } from '../../src/storage/oci-conformance.ts';

/*
 * A process to be killed: `oci-loop.js FOLDER FIRST` pushes a blob after the other, whose lengths go up from FIRST, links it
 * without waiting for the disk, and prints its length when that was answered.
 */

const [folder = '', first = '1'] = process.argv.slice(2);
const onFatal = (failure: unknown): never => {
  throw failure;
};
const storage = await openOciStorage(folder, onFatal, await openContentFiles(`${folder}/content`));

for (let size = Number(first); ; size++) {
  const digest = await pushBlob(storage, sampleBlob(size));
  const link = { repository: parseRepository('demo'), digest, size, linkedAtMs: size };
  await storage.store.write(ociChange({ links: [link] }), false);
  console.log(size);
}
