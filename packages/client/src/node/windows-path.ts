import { RegistryError } from '@waybill/protocol';

/** Separators of drives and of streams inside files, and what Windows takes for patterns. */
const REFUSED_CHARACTER = /[<>:"|?*]/;
/** Devices, in every folder and with every extension; a superscript digit counts as the digit. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?: *\..*)?$/i;
/** Cut off where a name is used. */
const CUT_END = /[. ]$/;

/**
 * Throws `usage/invalid` for a path of a tree that Windows would take for another file than the tree names, or for none: bytes
 * that are said to be in place would be elsewhere (SECURITY.md W3).
 */
export function requireWindowsPath(name: string): void {
  for (const segment of name.split('/')) {
    if (!REFUSED_CHARACTER.test(segment) && !DEVICE.test(segment) && !CUT_END.test(segment)) continue;
    const message = `the tree has a file ${JSON.stringify(name)}, which Windows cannot hold: get other files of it by their paths`;
    throw new RegistryError('usage/invalid', message);
  }
}
