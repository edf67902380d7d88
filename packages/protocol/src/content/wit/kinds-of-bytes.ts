import { isRegistryError } from '../../errors.ts';
import { readWasm } from '../binary/wasm-binary.ts';
import type { ContentKind } from '../kind.ts';
import { decodeWit, isProfile } from './decode.ts';

/**
 * What WebAssembly may be claimed to be: a WIT package with a world is an interface and a profile. What cannot be read is no WIT
 * package, and one in which something is unknown here may be either (spec/content.md 3.4). `bytes` have passed the policy.
 */
export function kindsOfBytes(bytes: Uint8Array): readonly ContentKind[] {
  try {
    const { kind } = readWasm(bytes);
    if (kind !== 'wit-package') return [kind];
    return isProfile(decodeWit(bytes)) ? ['interface', 'profile'] : ['interface'];
  } catch (failure) {
    if (isRegistryError(failure, 'content/not-analysed')) return ['interface', 'profile'];
    if (isRegistryError(failure, 'content/malformed', 'content/policy')) return ['component'];
    throw failure;
  }
}
