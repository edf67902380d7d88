import {
  decodeEmbeddedWit,
  decodeWit,
  printWit,
  readStructure,
  readWasm,
  type ComponentSort,
  type CoreBounds,
  type CoreExternType,
  type CoreSignature,
  type WasmMetadata,
  type WasmNode,
  type WasmOutline,
} from '@waybill/protocol/content';
import type { PeerMetadata, PeerNode, PeerReading } from './wasm-tools.ts';

/** What we read in a file, in the peer's words. */
export function ourReading(bytes: Uint8Array): PeerReading {
  const outline = readWasm(bytes);
  return {
    kind: outline.kind === 'module' ? 'module' : 'component',
    ...externLines(outline),
    metadata: metadataOf(outline.metadata, bytes.length),
    nodes: nodesOf(readStructure(bytes)),
  };
}

/** Of a core module, the WIT that it was made for; `null` for one that carries none. */
export function ourWit(bytes: Uint8Array): string | null {
  const document = readWasm(bytes).kind === 'module' ? decodeEmbeddedWit(bytes) : decodeWit(bytes);
  return document === null ? null : printWit(document);
}

function externLines(outline: WasmOutline): Pick<PeerReading, 'imports' | 'exports'> {
  if (outline.kind === 'module')
    return {
      imports: outline.imports.map(
        ({ module, name, externType }) => `${JSON.stringify(module)} ${JSON.stringify(name)} ${coreText(externType)}`,
      ),
      exports: outline.exports.map(({ name, externType }) => `${JSON.stringify(name)} ${coreText(externType)}`),
    };
  const line = ({ name, sort }: { readonly name: string; readonly sort: ComponentSort }) =>
    `${JSON.stringify(name)} ${SORT_WORDS[sort]}`;
  return { imports: outline.imports.map(line), exports: outline.exports.map(line) };
}

const SORT_WORDS: Readonly<Record<ComponentSort, string>> = {
  module: 'core module',
  core: 'core',
  function: 'func',
  value: 'value',
  type: 'type',
  component: 'component',
  instance: 'instance',
};

function coreText(type: CoreExternType): string {
  switch (type.type) {
    case 'function':
      return `(func${signatureText(type)})`;
    case 'tag':
      return `(tag${signatureText(type)})`;
    case 'memory':
      return `(memory ${boundsText(type.bounds)})`;
    case 'table':
      return `(table ${boundsText(type.bounds)} ${type.element})`;
    case 'global':
      return `(global ${type.isMutable ? `(mut ${type.value})` : type.value})`;
    case 'not-analysed':
      return 'not analysed';
  }
}

function signatureText({ parameters, results }: CoreSignature): string {
  const part = (head: string, types: readonly string[]) => (types.length === 0 ? '' : ` (${head} ${types.join(' ')})`);
  return part('param', parameters) + part('result', results);
}

function boundsText({ minimum, maximum, isShared, is64Bit }: CoreBounds): string {
  const words = [is64Bit ? 'i64' : null, minimum, maximum, isShared ? 'shared' : null];
  return words.filter((word) => word !== null).join(' ');
}

function metadataOf(metadata: WasmMetadata, size: number): PeerMetadata {
  const { name, authors, description, licenses, source, homepage, revision, version } = metadata;
  const fields = new Map<string, Record<string, string>>();
  for (const producer of metadata.producers) {
    const tools = fields.get(producer.field) ?? {};
    tools[producer.name] = producer.version;
    fields.set(producer.field, tools);
  }
  const producers = fields.size === 0 ? null : [...fields];
  const range = { start: 0, end: size };
  const isAuditable = metadata.auditableBytes !== null;
  return { name, producers, authors, description, licenses, source, homepage, revision, version, range, isAuditable };
}

function nodesOf({ layer, offset, size, children }: WasmNode): readonly PeerNode[] {
  return [{ layer, start: offset, end: offset + size }, ...children.flatMap(nodesOf)];
}
