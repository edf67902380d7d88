import {
  isRegistryError,
  parseJson,
  parsePackageName,
  type JsonValue,
  type PackageName,
  type VersionText,
} from '@waybill/protocol';
import type { ReadManifest } from '@waybill/protocol/oci';
import { refused } from './pushed-content.ts';

const VERSION = 'org.opencontainers.image.version';
const TITLE = 'org.opencontainers.image.title';
const PACKAGE = 'dev.waybill.package';

/** What a push is about. */
interface Labelled {
  readonly name: PackageName;
  readonly versions: readonly VersionText[];
}

/**
 * Throws `oci/manifest` where labels contradict the release (spec/oci.md 6.9; SECURITY.md O8). The signed record is what holds;
 * nobody shall be misled beside it.
 *
 * @param config - The bytes of it; `null` where it says nothing.
 */
export function requireLabelsAgree(
  { annotations, layers }: ReadManifest,
  config: Uint8Array | null,
  labelled: Labelled,
): void {
  const members = membersOfConfig(config);
  const configs = members.filter(([member]) => member === 'config').flatMap(([, value]) => membersOf(value));
  const ofConfig = configs.filter(([member]) => member === 'labels').flatMap(([, value]) => membersOf(value));
  const ofManifest = membersOf(annotations ?? null);
  for (const label of [...ofManifest, ...ofConfig]) {
    requireVersion(label, labelled);
    requirePackage(label, labelled);
  }
  // The title of a layer is the name of a file.
  for (const layer of layers) for (const label of membersOf(layer.annotations)) requireVersion(label, labelled);
  const digests = layers.map(({ digest }) => digest);
  for (const [member, listed] of members) if (member === 'layerdigests') requireLayers(listed, digests);
}

/** Name in lower case and value: readers in Go tell no `Labels` from `labels`. */
type Member = readonly [name: string, value: JsonValue];

function membersOf(value: JsonValue | Readonly<Record<string, string>>): readonly Member[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [];
  return Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]);
}

function requireVersion([label, version]: Member, { versions }: Labelled): void {
  if (label !== VERSION || typeof version !== 'string' || versions.every((one) => one === version)) return;
  throw refused(`it says that it is of version ${shown(version)}, and is pushed as ${versions.join(', ')}`);
}

function requirePackage([label, text]: Member, { name }: Labelled): void {
  if (typeof text !== 'string' || text === name) return;
  if (label !== PACKAGE && !(label === TITLE && isPackageName(text))) return;
  throw refused(`it says that it is ${shown(text)}, and its repository is that of ${name}`);
}

/** Only a title of that form is a claim to be a package: others are for people. */
function isPackageName(title: string): boolean {
  try {
    parsePackageName(title);
    return true;
  } catch {
    return false;
  }
}

function requireLayers(listed: JsonValue, digests: readonly string[]): void {
  if (!Array.isArray(listed) || listed.length === 0) return;
  if (listed.length === digests.length && listed.every((digest, i) => digest === digests[i])) return;
  throw refused('its config lists other layers than it has');
}

/** What is no JSON object says nothing. Throws `oci/manifest` for one that readers take for different things. */
function membersOfConfig(config: Uint8Array | null): readonly Member[] {
  if (config === null) return [];
  try {
    return membersOf(parseJson(config));
  } catch (failure) {
    if (!isRegistryError(failure, 'wire/json')) throw failure;
    if (!isLooseObject(config)) return [];
    throw refused(`its config is JSON that not all read alike: ${failure.message}`, failure);
  }
}

function isLooseObject(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
