import { nameText } from './keywords.ts';
import { writeAliasTarget, writeType } from './type-text.ts';
import type { IndentedText } from './indented-text.ts';
import type {
  WitFunction,
  WitInterface,
  WitLabel,
  WitNamedType,
  WitNotes,
  WitPackageId,
  WitStability,
  WitType,
  WitWorld,
} from './model.ts';

type FunctionsOfResource = ReadonlyMap<WitNamedType, readonly WitFunction[]>;

/** What stands between the braces of an interface. */
export function writeInterface(text: IndentedText, { types, functions }: WitInterface, current: WitPackageId): void {
  const all = [...functions.values()];
  let hasItems = writeTypes(text, [...types.values()], functionsOfResources(all), { current, hasItems: false });
  for (const described of all) {
    if (described.resource !== null) continue;
    if (hasItems) text.endLine();
    hasItems = true;
    writeNotes(text, described);
    text.write(`${nameText(described.name)}: `);
    writeFunction(text, described);
  }
}

/** The functions that are told with their resource. */
export function functionsOfResources(functions: Iterable<WitFunction>): FunctionsOfResource {
  const grouped = new Map<WitNamedType, WitFunction[]>();
  for (const described of functions) {
    if (described.resource === null) continue;
    const listed = grouped.get(described.resource);
    if (listed === undefined) grouped.set(described.resource, [described]);
    else listed.push(described);
  }
  return grouped;
}

/** The types of an interface or a world, those used from elsewhere first. Says whether anything stands in the block now. */
export function writeTypes(
  text: IndentedText,
  types: readonly WitNamedType[],
  functions: FunctionsOfResource,
  { current, hasItems }: { readonly current: WitPackageId; readonly hasItems: boolean },
): boolean {
  const uses = collectUses(types);
  for (const use of uses) writeUse(text, use, current);
  let isAfterItem = hasItems || uses.length > 0;
  for (const type of types) {
    if (usedFrom(type) !== null) continue;
    if (isAfterItem) text.endLine();
    isAfterItem = true;
    writeNotes(text, type);
    writeDefinition(text, type, functions.get(type) ?? []);
  }
  return isAfterItem;
}

/** Neighbours from one interface share a statement, if they share its notes. */
interface Use {
  readonly from: WitInterface;
  readonly stability: WitStability | null;
  readonly names: string[];
}

function collectUses(types: readonly WitNamedType[]): readonly Use[] {
  const uses: Use[] = [];
  for (const type of types) {
    const used = usedFrom(type);
    if (used === null) continue;
    const name = nameText(used.type.name);
    const written = used.type.name === type.name ? name : `${name} as ${nameText(type.name)}`;
    const last = uses.at(-1);
    if (last !== undefined && last.from === used.from && isSameStability(last.stability, type.stability))
      last.names.push(written);
    else uses.push({ from: used.from, stability: type.stability, names: [written] });
  }
  return uses;
}

/** What a name is used from; `null` for one of its owner's own. */
function usedFrom({
  definition,
  owner,
}: WitNamedType): { readonly from: WitInterface; readonly type: WitNamedType } | null {
  if (definition.type !== 'alias' || definition.target.type !== 'named') return null;
  const type = definition.target.named;
  if (type.owner === owner || isWorld(type.owner)) return null;
  return { from: type.owner, type };
}

function isWorld(owner: WitInterface | WitWorld): owner is WitWorld {
  return 'imports' in owner;
}

function isSameStability(a: WitStability | null, b: WitStability | null): boolean {
  if (a === null || b === null) return a === b;
  return stabilityLines(a).join('\n') === stabilityLines(b).join('\n');
}

function writeUse(text: IndentedText, { from, stability, names }: Use, current: WitPackageId): void {
  writeNotes(text, { docs: null, stability });
  text.write(`use ${interfacePath(from, current)}.{${names.join(', ')}};`).endLine();
}

/** How an interface is called from within a package. */
export function interfacePath({ name, packageId }: WitInterface, current: WitPackageId): string {
  const own = nameText(name ?? '_');
  if (packageId === null || isSamePackage(packageId, current)) return own;
  const version = packageId.version === null ? '' : `@${packageId.version}`;
  return `${nameText(packageId.namespace)}:${nameText(packageId.name)}/${own}${version}`;
}

function isSamePackage(a: WitPackageId, b: WitPackageId): boolean {
  return a.namespace === b.namespace && a.name === b.name && a.version === b.version;
}

function writeDefinition(text: IndentedText, type: WitNamedType, functions: readonly WitFunction[]): void {
  const name = nameText(type.name);
  const { definition } = type;
  switch (definition.type) {
    case 'alias':
      text.write(`type ${name} = `);
      writeAliasTarget(text, definition.target);
      text.write(';').endLine();
      break;
    case 'record':
      writeMembers(text, `record ${name}`, definition.fields, ({ value }) => {
        text.write(': ');
        writeType(text, value, 0);
      });
      break;
    case 'variant':
      writeMembers(text, `variant ${name}`, definition.cases, ({ payload }) => writePayload(text, payload));
      break;
    case 'enum':
      writeMembers(text, `enum ${name}`, definition.cases, () => {});
      break;
    case 'flags':
      writeMembers(text, `flags ${name}`, definition.flags, () => {});
      break;
    case 'resource':
      writeResource(text, name, functions);
      break;
  }
}

function writeMembers<Member extends WitLabel>(
  text: IndentedText,
  heading: string,
  members: readonly Member[],
  writeRest: (member: Member) => void,
): void {
  text.write(heading).openBlock();
  for (const member of members) {
    writeNotes(text, { docs: member.docs, stability: null });
    text.write(nameText(member.name));
    writeRest(member);
    text.write(',').endLine();
  }
  text.closeBlock();
}

function writePayload(text: IndentedText, payload: WitType | null): void {
  if (payload === null) return;
  text.write('(');
  writeType(text, payload, 0);
  text.write(')');
}

function writeResource(text: IndentedText, name: string, functions: readonly WitFunction[]): void {
  text.write(`resource ${name}`);
  if (functions.length === 0) {
    text.write(';').endLine();
    return;
  }
  text.openBlock();
  for (const described of functions) {
    writeNotes(text, described);
    if (described.kind !== 'constructor') text.write(`${nameText(described.name)}: `);
    if (described.kind === 'static') text.write('static ');
    writeFunction(text, described);
  }
  text.closeBlock();
}

/** From the word that says what it is to the semicolon. */
export function writeFunction(text: IndentedText, described: WitFunction): void {
  const { kind, isAsync, parameters, result } = described;
  text.write(`${isAsync ? 'async ' : ''}${kind === 'constructor' ? 'constructor' : 'func'}(`);
  // A method has its resource as `self`, which its text does not say.
  const told = kind === 'method' ? parameters.slice(1) : parameters;
  for (const [index, { name, value }] of told.entries()) {
    if (index > 0) text.write(', ');
    text.write(`${nameText(name)}: `);
    writeType(text, value, 0);
  }
  text.write(')');
  if (result !== null && !isPlainConstructor(described)) {
    text.write(' -> ');
    writeType(text, result, 0);
  }
  text.write(';').endLine();
}

/** One that cannot fail: what it makes goes without saying. */
function isPlainConstructor({ kind, resource, result }: WitFunction): boolean {
  return kind === 'constructor' && result?.type === 'own' && result.resource === resource;
}

/** Documentation and gates, a line each, above what they are about. */
export function writeNotes(text: IndentedText, { docs, stability }: WitNotes): void {
  for (const line of docLines(docs)) text.write(line === '' ? '///' : `/// ${line}`).endLine();
  if (stability === null) return;
  for (const line of stabilityLines(stability)) text.write(line).endLine();
}

/** A line ends with `\n` or `\r\n`; nothing is after the last end. */
function docLines(docs: string | null): readonly string[] {
  if (docs === null) return [];
  const lines = docs.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, index) => (line.endsWith('\r') && isEnded(docs, lines, index) ? line.slice(0, -1) : line));
}

/** The last line may have no end, and a `\r` of its own. */
function isEnded(docs: string, lines: readonly string[], index: number): boolean {
  return index < lines.length - 1 || docs.endsWith('\n');
}

function stabilityLines(stability: WitStability): readonly string[] {
  const first =
    stability.type === 'stable' ? `@since(version = ${stability.since})` : `@unstable(feature = ${stability.feature})`;
  return stability.deprecated === null ? [first] : [first, `@deprecated(version = ${stability.deprecated})`];
}
