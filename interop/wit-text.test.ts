import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isRegistryError } from '@waybill/protocol';
import { encodeWit, parseWit, type WitSource, type WitText } from '@waybill/protocol/content';
import { corpusItems, corpusSources, type CorpusItem } from './corpus.ts';
import { peerTest } from './peers.ts';
import { peerBinary } from './wasm-tools.ts';

const SOURCES_MIN = 20;
/** Proposals that are not read here, and dependencies that are no text. */
const EXCEPTIONS: ReadonlySet<string> = new Set(['accessors.wit', 'include-accessor-pair.wit', 'kinds-of-deps']);

for (const item of corpusItems('folders'))
  peerTest(`WIT text: ${item.title}`, ['corpus', 'wasm-tools'], async () => checkFolder(item));

function checkFolder(item: CorpusItem): void {
  let same = 0;
  for (const source of corpusSources(item)) {
    if (source.endsWith('.wat') || EXCEPTIONS.has(path.basename(source))) continue;
    if (checkSource(source)) same++;
  }
  assert.ok(same >= SOURCES_MIN, `only ${same} sources were compared`);
}

/** The same bytes, but for the section at the end that names the program; or both refuse it. */
function checkSource(source: string): boolean {
  const made = peerBinary(source);
  const theirs = made === null ? null : Uint8Array.from(made);
  const ours = ourBinary(source);
  if (theirs === null || ours === null) {
    assert.equal(
      ours === null,
      theirs === null,
      `${source} is refused by ${ours === null ? 'us' : 'wasm-tools'} alone`,
    );
    return false;
  }
  assert.deepEqual(theirs.subarray(0, ours.length), ours, `${source} is encoded differently`);
  assert.ok(new TextDecoder('latin1').decode(theirs.subarray(ours.length)).includes('producers'), source);
  return true;
}

function ourBinary(source: string): Uint8Array | null {
  try {
    return encodeWit(parseWit(textOf(source)));
  } catch (failure) {
    if (isRegistryError(failure, 'content/wit')) return null;
    throw failure;
  }
}

/** As wasm-tools lays packages out: one file; or a folder, with those that it names below `deps`. */
function textOf(source: string): WitText {
  if (statSync(source).isFile()) return { main: [sourceOf(source)], dependencies: [] };
  const below = path.join(source, 'deps');
  const names = existsSync(below) ? readdirSync(below) : [];
  const dependencies = names.map((name) => witFiles(path.join(below, name))).filter(({ length }) => length > 0);
  return { main: witFiles(source), dependencies };
}

function witFiles(place: string): readonly WitSource[] {
  if (statSync(place).isFile()) return place.endsWith('.wit') ? [sourceOf(place)] : [];
  const names = readdirSync(place).filter((name) => name.endsWith('.wit'));
  return names.map((name) => path.join(place, name)).map(sourceOf);
}

function sourceOf(file: string): WitSource {
  return { path: file, text: readFileSync(file, 'utf8') };
}
