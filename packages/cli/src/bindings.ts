import { Worker } from 'node:worker_threads';
import { concatBytes, messageOf, RegistryError } from '@waybill/protocol';
import { readWasm } from '@waybill/protocol/content';

/** The tool that makes them, which whoever wants bindings installs: with what it brings along it has over 100 MB. */
const TOOL = '@bytecodealliance/jco-transpile';
const TOOL_VERSION = '0.15.0';

/** What bindings are made of, and how. */
export interface BindingRequest {
  readonly content: Uint8Array;
  /** What the main file is called, without an extension. */
  readonly name: string;
  /** The world of a WIT package; `null`: its only one, else all of its interfaces. */
  readonly world: string | null;
  /** What gives an import: pairs of it, or of a pattern that ends in `*`, and a module. */
  readonly map: readonly (readonly [from: string, to: string])[];
  /** Whether it is to run, too. */
  readonly transpile: boolean;
}

/** Declarations of a component or a WIT package, and the module where it is to run. */
export interface Bindings {
  readonly kind: 'component' | 'interface';
  /** Bytes by relative path, with `/`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Modules that the module imports; none where it is not to run. */
  readonly imports: readonly string[];
}

/** Why there are none. */
export interface BindingRefusal {
  readonly refused: 'content/malformed' | 'content/not-analysed' | 'usage/invalid';
  readonly message: string;
}

/** What somebody else's bytes may cost (SECURITY.md P12). */
export interface BindingLimits {
  readonly msMax: number;
  /** Of memory more than before. A Wasm memory is none of the heap that a thread can be held to, so it is looked at. */
  readonly memoryBytesMax: number;
  readonly heapMbMax: number;
  readonly files: number;
  readonly filesBytesMax: number;
}

export const BINDING_LIMITS: BindingLimits = {
  msMax: 120_000,
  memoryBytesMax: 1024 * 1024 * 1024,
  heapMbMax: 1024,
  files: 10_000,
  filesBytesMax: 512 * 1024 * 1024,
};

const LOOK_MS = 50;

/** Letters, digits and what stands between them: no name leads out of the folder, or means something to a shell. */
const FILE_NAME = /^(?:interfaces\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Makes bindings in a thread of its own, which ends with them: bytes that make the tool trap leave its instance unusable.
 * Throws `usage/invalid` where the tool is not installed or an import has nothing that gives it, `content/malformed`, and
 * `content/not-analysed` for what would cost too much.
 */
export async function makeBindings(request: BindingRequest, limits: BindingLimits): Promise<Bindings> {
  const outcome = await ask({ ...request, content: withoutStrayDocs(request.content) }, limits);
  if ('refused' in outcome) throw new RegistryError(outcome.refused, outcome.message);
  requireBounded(outcome.files, limits);
  return outcome;
}

/**
 * The tool writes docs between the marks of a comment as they are: those that end it would have whoever publishes write
 * declarations, into the program of whoever reads them. Docs in which that could be are left out, all of them. Throws
 * `content/malformed`, `content/policy`.
 */
function withoutStrayDocs(content: Uint8Array): Uint8Array {
  const { sections, metadata } = readWasm(content);
  const docs = sections.filter(({ name }) => name === 'package-docs');
  const said = metadata.packageDocs?.contents ?? null;
  const isRead = said !== null && docs.length === 1;
  if (docs.length === 0 || (isRead && !JSON.stringify(said).includes('*/'))) return content;
  const kept: Uint8Array[] = [];
  let from = 0;
  for (const { offset, size } of docs) {
    kept.push(content.subarray(from, offset));
    from = offset + size;
  }
  return concatBytes(...kept, content.subarray(from));
}

/** Throws `usage/invalid` with the command that installs the tool. `resolve` is the platform's. */
export function requireTool(resolve: (specifier: string) => string): void {
  try {
    resolve(`${TOOL}/component`);
  } catch (cause) {
    const message = `bindings are made by ${TOOL}, which is not installed beside waybill: npm install ${TOOL}@${TOOL_VERSION} (with -g, if waybill is installed so)`;
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
}

async function ask(request: BindingRequest, limits: BindingLimits): Promise<Bindings | BindingRefusal> {
  const { msMax, memoryBytesMax, heapMbMax } = limits;
  const worker = new Worker(new URL('./binding-worker.js', import.meta.url), {
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
  });
  const startedBytes = process.memoryUsage.rss();
  const asked = new Promise<Bindings | BindingRefusal>((resolve, reject) => {
    const refuse = (why: string): void => reject(new RegistryError('content/not-analysed', why));
    const late = setTimeout(() => refuse(`its bindings took more than ${msMax} ms to make`), msMax);
    const look = setInterval(() => {
      if (process.memoryUsage.rss() - startedBytes <= memoryBytesMax) return;
      refuse(`its bindings took more than ${memoryBytesMax} bytes of memory to make`);
    }, LOOK_MS);
    worker.once('message', resolve);
    worker.once('error', (failure) => refuse(`its bindings cannot be made: ${messageOf(failure)}`));
    worker.once('exit', (code) => {
      clearTimeout(late);
      clearInterval(look);
      refuse(`the tool that makes its bindings ended with ${code}`);
    });
  });
  worker.postMessage(request);
  try {
    return await asked;
  } finally {
    await worker.terminate();
  }
}

function requireBounded(files: ReadonlyMap<string, Uint8Array>, limits: BindingLimits): void {
  let bytes = 0;
  for (const [name, content] of files) {
    bytes += content.length;
    if (!FILE_NAME.test(name)) throw new RegistryError('content/malformed', `its bindings name a file ${name}`);
  }
  if (files.size <= limits.files && bytes <= limits.filesBytesMax) return;
  throw new RegistryError('content/not-analysed', `its bindings are ${files.size} files of ${bytes} bytes: too many`);
}
