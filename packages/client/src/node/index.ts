/* What the client keeps on a computer's disk. */

export { fileWriter, openContentCache, openLogFiles } from './cache-files.ts';
export { createFile, hasCode, replaceFile } from './durable-file.ts';
export { readPrivateKeys, readPublicKeys } from './key-file.ts';
export { KeyStore, type Keyring, type KeyStoreParts } from './key-store.ts';
export { PROGRAM_SIGN_MS_MAX, programSigner, type SignerProgram } from './program-signer.ts';
export { registryFolder } from './registry-folder.ts';
export { TokenFiles } from './token-files.ts';
export { openTrustFiles } from './trust-files.ts';
