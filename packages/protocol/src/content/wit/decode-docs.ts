import type { JsonValue } from '../../bytes/json.ts';
import { isRegistryError } from '../../errors.ts';
import { parseVersion, type VersionText } from '../../names/version.ts';
import { isWitLabel } from './parse-tokens.ts';
import type { WitNotes, WitStability } from './model.ts';

type JsonObject = { [key: string]: JsonValue };

/**
 * Documentation and stability out of `package-docs`: for every name a part of the same JSON, empty where nothing is said. What
 * has another shape than it should have says nothing.
 */
export class WitDocs {
  readonly #json: JsonObject;
  readonly #text: string | null;

  constructor(json: JsonValue) {
    this.#json = isObject(json) ? json : {};
    // In the first version, a function has only a text.
    this.#text = typeof json === 'string' ? json : null;
  }

  /** What is said of the thing itself. */
  get notes(): WitNotes {
    const docs = this.#text ?? textOf(this.#json['docs']);
    return { docs: docs === null ? null : withoutLastLineEnd(docs), stability: stabilityOf(this.#json['stability']) };
  }

  interface(name: string): WitDocs {
    return this.#part('interfaces', name);
  }

  world(name: string): WitDocs {
    return this.#part('worlds', name);
  }

  type(name: string): WitDocs {
    return this.#part('types', name);
  }

  function(name: string): WitDocs {
    return this.#part('funcs', name);
  }

  /** Of a field, a case or a flag. */
  label(name: string): string | null {
    return this.#part('items', name).notes.docs;
  }

  /** Of an interface written in place in this world. Exports had no table of their own in the first version. */
  inlineInterface(name: string, isImport: boolean): WitDocs {
    return isImport ? this.interface(name) : this.#firstOf(['interface_exports', 'interfaces'], name);
  }

  worldFunction(name: string, isImport: boolean): WitDocs {
    return isImport ? this.function(name) : this.#firstOf(['func_exports', 'funcs'], name);
  }

  /** What this world says of an interface that it imports or exports by its id. */
  referenceNotes(id: string, isImport: boolean): WitNotes {
    const side = isImport ? 'import' : 'export';
    const docs = textOf(member(this.#json[`interface_${side}_docs`], id));
    const stability = stabilityOf(member(this.#json[`interface_${side}_stability`], id));
    return { docs: docs === null ? null : withoutLastLineEnd(docs), stability };
  }

  #part(table: string, name: string): WitDocs {
    const part = member(this.#json[table], name);
    return part === null ? NO_DOCS : new WitDocs(part);
  }

  #firstOf(tables: readonly string[], name: string): WitDocs {
    const table = tables.find((one) => member(this.#json[one], name) !== null);
    return table === undefined ? NO_DOCS : this.#part(table, name);
  }
}

/** Nothing is said. */
export const NO_DOCS: WitDocs = new WitDocs(null);

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function member(json: JsonValue | undefined, name: string): JsonValue {
  return isObject(json) && Object.hasOwn(json, name) ? (json[name] ?? null) : null;
}

function textOf(json: JsonValue | undefined): string | null {
  return typeof json === 'string' ? json : null;
}

function withoutLastLineEnd(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

/** Gates are printed as they are: what is no version and no label, which could say anything in the text, says nothing. */
function stabilityOf(json: JsonValue | undefined): WitStability | null {
  const stable = member(json, 'stable');
  const since = versionOf(member(stable, 'since'));
  if (since !== null) return { type: 'stable', since, deprecated: versionOf(member(stable, 'deprecated')) };
  const unstable = member(json, 'unstable');
  const feature = textOf(member(unstable, 'feature'));
  if (feature === null || !isWitLabel(feature)) return null;
  return { type: 'unstable', feature, deprecated: versionOf(member(unstable, 'deprecated')) };
}

function versionOf(json: JsonValue): VersionText | null {
  const text = textOf(json);
  try {
    return text === null ? null : parseVersion(text);
  } catch (failure) {
    if (isRegistryError(failure, 'text/version')) return null;
    throw failure;
  }
}
