import { joinBytes } from '../../bytes/byte-array.ts';
import { CONTENT_KINDS, WasmKindCheck, type ClaimedKind, type KindCheck } from '../kind.ts';
import { decodeTreeIndex, TREE_INDEX_BYTES_MAX } from './tree-index.ts';
import { treeError } from './tree-path.ts';

/** The check of any kind. What is of another kind has nothing to be checked. */
export function kindCheckOf(kind: ClaimedKind): KindCheck {
  if (CONTENT_KINDS[kind].layers !== null) return new WasmKindCheck(kind);
  return kind === 'tree' ? new TreeIndexCheck() : NO_CHECK;
}

const NO_CHECK: KindCheck = { update: () => undefined, finish: () => undefined };

class TreeIndexCheck implements KindCheck {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  update(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > TREE_INDEX_BYTES_MAX) throw treeError(`the index is over ${TREE_INDEX_BYTES_MAX} bytes`);
    this.#chunks.push(chunk.slice());
  }

  finish(): void {
    decodeTreeIndex(joinBytes(this.#chunks));
  }
}
