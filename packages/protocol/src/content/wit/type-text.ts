import { RegistryError } from '../../errors.ts';
import { nameText } from './keywords.ts';
import type { IndentedText } from './indented-text.ts';
import type { WitNamedType, WitShape, WitType } from './model.ts';

/** Every shape within a shape is one call deeper. */
const TYPE_DEPTH_MAX = 1_000;

/** Writes a type where one may stand. Throws `wire/too-large`. */
export function writeType(text: IndentedText, type: WitType, depth: number): void {
  if (depth > TYPE_DEPTH_MAX)
    throw new RegistryError(
      'wire/too-large',
      `a type has more than ${TYPE_DEPTH_MAX} shapes within each other: it is not printed; read it as data instead`,
    );
  switch (type.type) {
    case 'primitive':
      text.write(type.primitive);
      break;
    case 'named':
      text.write(nameText(type.named.name));
      break;
    case 'own':
      text.write(nameText(type.resource.name));
      break;
    case 'borrow':
      writeBorrow(text, type.resource);
      break;
    default:
      writeShape(text, type, depth + 1);
  }
}

/** What stands right of `type a =`: there, an owned handle and its resource are two things. */
export function writeAliasTarget(text: IndentedText, type: WitType): void {
  if (type.type === 'own') text.write(`own<${nameText(type.resource.name)}>`);
  else writeType(text, type, 0);
}

function writeBorrow(text: IndentedText, resource: WitNamedType): void {
  text.write(`borrow<${nameText(resource.name)}>`);
}

type Compound = Exclude<WitShape, { readonly type: 'own' | 'borrow' }>;

function writeShape(text: IndentedText, shape: Compound, depth: number): void {
  switch (shape.type) {
    case 'list':
    case 'option':
      writeGeneric(text, shape.type, [shape.element], depth);
      break;
    case 'future':
    case 'stream':
      writeGeneric(text, shape.type, shape.element === null ? [] : [shape.element], depth);
      break;
    case 'fixed-list':
      text.write('list<');
      writeType(text, shape.element, depth);
      text.write(`, ${shape.length}>`);
      break;
    case 'map':
      writeGeneric(text, 'map', [shape.key, shape.value], depth);
      break;
    case 'tuple':
      writeGeneric(text, 'tuple', shape.elements, depth);
      break;
    case 'result':
      writeResult(text, shape.ok, shape.error, depth);
      break;
  }
}

/** The angle brackets of nothing are left out. */
function writeGeneric(text: IndentedText, word: string, parameters: readonly WitType[], depth: number): void {
  text.write(word);
  if (parameters.length === 0) return;
  text.write('<');
  for (const [index, parameter] of parameters.entries()) {
    if (index > 0) text.write(', ');
    writeType(text, parameter, depth);
  }
  text.write('>');
}

function writeResult(text: IndentedText, ok: WitType | null, error: WitType | null, depth: number): void {
  if (ok !== null || error === null) {
    const parameters = [ok, error].filter((type) => type !== null);
    writeGeneric(text, 'result', parameters, depth);
    return;
  }
  text.write('result<_, ');
  writeType(text, error, depth);
  text.write('>');
}
