import { isRegistryError } from '../../errors.ts';
import { parseVersion } from '../../names/version.ts';
import type { NameSyntax, PackageIdSyntax, PathSyntax } from './parse-syntax.ts';
import { type WitPlace, type WitSource, witFailure } from './parse-source.ts';
import { describeToken, isWitLabel, type WitToken, witTokens } from './parse-tokens.ts';

/** As long as a SemVer version may go on; what it says, `parseVersion` judges. */
const VERSION =
  /[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?/y;

/** A place in the tokens of one file, which only goes forward. Throws `content/wit`. */
export class WitCursor {
  readonly #source: WitSource;
  readonly #tokens: readonly WitToken[];
  readonly #end: WitToken;
  #index = 0;

  constructor(source: WitSource, tokensMax: number) {
    this.#source = source;
    this.#tokens = witTokens(source, tokensMax);
    const { length } = source.text;
    this.#end = { kind: 'end', text: '', start: length, end: length, comments: [] };
  }

  get tokenCount(): number {
    return this.#tokens.length;
  }

  /** The token `ahead` of the next one. */
  peek(ahead = 0): WitToken {
    return this.#tokens[this.#index + ahead] ?? this.#end;
  }

  placeOf(token: WitToken): WitPlace {
    return { source: this.#source, offset: token.start };
  }

  next(): WitToken {
    const token = this.peek();
    this.#index++;
    return token;
  }

  /** Whether the token `ahead` of the next one is this sign or keyword. */
  isAt(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return (token.kind === 'sign' || token.kind === 'keyword') && token.text === text;
  }

  eat(text: string): boolean {
    const found = this.isAt(text);
    if (found) this.#index++;
    return found;
  }

  expect(text: string): WitToken {
    if (!this.isAt(text)) throw this.unexpected(`'${text}'`);
    return this.next();
  }

  unexpected(wanted: string): Error {
    const token = this.peek();
    return witFailure(this.placeOf(token), `expected ${wanted}, found ${describeToken(token)}`);
  }

  name(): NameSyntax {
    const token = this.peek();
    if (token.kind !== 'id')
      throw this.unexpected(token.kind === 'keyword' ? `a name (a keyword as a name is '%${token.text}')` : 'a name');
    const place = this.placeOf(this.next());
    if (!isWitLabel(token.text)) {
      throw witFailure(place, `'${token.text.slice(0, 80)}' is not a name: write words such as 'get-URL2'`);
    }
    return { text: token.text, place };
  }

  /** A name that says what the argument of a gate is. */
  word(text: string): void {
    const token = this.peek();
    if (token.kind !== 'id' || token.text !== text) throw this.unexpected(`'${text}'`);
    this.next();
  }

  version(): string {
    const token = this.peek();
    VERSION.lastIndex = token.start;
    const text = VERSION.exec(this.#source.text)?.[0];
    if (token.kind !== 'integer' || text === undefined) throw this.unexpected('a version such as 1.2.3');
    const end = token.start + text.length;
    while (this.peek().kind !== 'end' && this.peek().start < end) this.#index++;
    try {
      return parseVersion(text);
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      throw witFailure(this.placeOf(token), failure.message);
    }
  }

  /** `namespace:name@version` of a declaration. */
  packageId(): PackageIdSyntax {
    const namespace = this.name();
    this.expect(':');
    const name = this.name();
    const version = this.eat('@') ? this.version() : null;
    return { namespace: namespace.text, name: name.text, version, place: namespace.place };
  }

  path(): PathSyntax {
    const first = this.name();
    if (!this.eat(':')) return { packageId: null, name: first };
    const packageName = this.name();
    this.expect('/');
    const name = this.name();
    const version = this.eat('@') ? this.version() : null;
    return { packageId: { namespace: first.text, name: packageName.text, version, place: first.place }, name };
  }

  /** Items between two signs, with commas between them and, if one likes, after the last. */
  list<T>(open: string, close: string, item: () => T): readonly T[] {
    this.expect(open);
    const items: T[] = [];
    while (!this.eat(close)) {
      items.push(item());
      if (this.eat(',')) continue;
      if (!this.isAt(close)) throw this.unexpected(`',' or '${close}'`);
    }
    return items;
  }
}
