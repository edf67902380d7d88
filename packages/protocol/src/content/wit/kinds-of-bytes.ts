import { isRegistryError } from '../../errors.ts';
import { readWasm } from '../binary/wasm-binary.ts';
import type { ContentKind } from '../kind.ts';
import { decodeWit, isProfile } from './decode.ts';
import type { WitPackageId } from './model.ts';

/** What bytes say of themselves. */
export interface SaidKinds {
  readonly kinds: readonly ContentKind[];
  /** Which WIT package they are; `null` for what is none, and where something in it is unknown here. */
  readonly packageId: WitPackageId | null;
}

/**
 * What WebAssembly may be claimed to be: a WIT package with a world is an interface and a profile. What cannot be read is no WIT
 * package, and one in which something is unknown here may be either (spec/content.md 3.4). `bytes` have passed the policy.
 */
export function kindsOfBytes(bytes: Uint8Array): SaidKinds {
  try {
    const { kind } = readWasm(bytes);
    if (kind !== 'wit-package') return { kinds: [kind], packageId: null };
    const document = decodeWit(bytes);
    return { kinds: isProfile(document) ? ['interface', 'profile'] : ['interface'], packageId: document.main.id };
  } catch (failure) {
    if (isRegistryError(failure, 'content/not-analysed')) return { kinds: ['interface', 'profile'], packageId: null };
    if (isRegistryError(failure, 'content/malformed', 'content/policy'))
      return { kinds: ['component'], packageId: null };
    throw failure;
  }
}
