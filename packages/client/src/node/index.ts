/* What the client keeps on a computer's disk. */

export { fileWriter, openContentCache, openLogFiles } from './cache-files.ts';
export { createFile, replaceFile } from './durable-file.ts';
export { hasCode } from './file-failure.ts';
export { FolderSwap } from './folder-swap.ts';
export { readPrivateKeys, readPublicKeys } from './key-file.ts';
export { KeyStore, type Keyring, type KeyStoreParts } from './key-store.ts';
export { openMemoryFiles } from './memory-files.ts';
export { PROGRAM_SIGN_MS_MAX, programSigner, type SignerProgram } from './program-signer.ts';
export { ProjectFiles } from './project-files.ts';
export { installProject, type InstalledFile, type InstallParts } from './project-install.ts';
export { inTurn } from './project-turn.ts';
export { registryFolder } from './registry-folder.ts';
export { TokenFiles } from './token-files.ts';
export { openTrustFiles } from './trust-files.ts';
export { writeTreeFolder, type ReplacePolicy } from './tree-folder.ts';
export { IGNORE_FILE, walkTree, type WalkedTree, type WalkExtent } from './tree-walk.ts';
export { readWitText } from './wit-text.ts';
