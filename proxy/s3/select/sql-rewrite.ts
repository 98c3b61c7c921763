/**
 * What the SQL parser cannot take of S3 Select's language, in one place. The parser sees the structure of an expression
 * only: every name, path and literal becomes a quoted name that is a number, the place of it in `operands`. So it neither
 * folds the case of names nor rounds numbers, and its own reserved words are free. Beyond that:
 *
 *     s."a b".c[0], S3Object[*].d   one operand, a path
 *     x IS [NOT] MISSING            x IS [NOT] TRUE, which S3 Select itself does not have
 *     x LIKE p ESCAPE e             x LIKE p #- e, an operator that binds closer than LIKE
 *     TRIM(LEADING c FROM s)        "trim_leading"(c, s), as SUBSTRING and EXTRACT: FROM and FOR become commas
 *     DATE_ADD(year, …)             the date part is a string
 *     IN (1, 2, 3)                  a list of literals is one operand, however long
 *     LIMIT n                       taken off the end
 *
 * What S3 Select has no such thing as (joins, groups, sub-queries) is refused here, by its own code.
 */
import type { S3Code } from '../errors.ts';
import { s3Fault } from '../errors.ts';
import { placeOf, type Token, tokenize } from './sql-tokens.ts';
import { DATE_PARTS, EXTRACTED_PARTS, GRAMMAR, RESERVED, TYPES } from './sql-words.ts';

export const EXPRESSION_BYTES_MAX = 256 * 1024;
/** Of what the parser sees: it takes a tenth of a millisecond each, and nothing else runs meanwhile. */
export const PARSED_TOKENS_MAX = 1000;
/** Of parentheses and CASE: what the parser does about an error takes time by the square of it. */
const DEPTH_MAX = 20;

/** One step into a value: a name, a place in a list, or everything of it. */
export type Step =
  | { readonly name: string; readonly quoted: boolean }
  | { readonly index: number }
  | { readonly wildcard: 'names' | 'items' };

export type Literal =
  | { readonly number: string }
  | { readonly string: string }
  | { readonly timestamp: string }
  | { readonly constant: true | false | null | undefined };

export type Operand =
  | { readonly kind: 'path'; readonly steps: readonly Step[]; readonly at: number }
  | { readonly kind: 'literal'; readonly literal: Literal; readonly at: number }
  | { readonly kind: 'list'; readonly literals: readonly Literal[]; readonly at: number };

export interface Rewritten {
  /** For the parser. */
  readonly sql: string;
  readonly operands: readonly Operand[];
  readonly limit: number | undefined;
  /** The token of the expression that stands at this character of `sql`. */
  tokenAt(offset: number): Token;
  fault(code: S3Code, token: Pick<Token, 'at'> | undefined, what?: string): Error;
}

/** Words that begin what is not supported. */
const REFUSED: Readonly<Record<string, S3Code>> = {
  join: 'ParseMalformedJoin',
  cross: 'ParseMalformedJoin',
  inner: 'ParseMalformedJoin',
  outer: 'ParseMalformedJoin',
  group: 'ParseExpectedIdentForGroupName',
  having: 'UnsupportedSyntax',
  order: 'UnsupportedSyntax',
  union: 'UnsupportedSyntax',
  intersect: 'UnsupportedSyntax',
  except: 'UnsupportedSyntax',
  distinct: 'UnsupportedSyntax',
  exists: 'UnsupportedSqlStructure',
  pivot: 'UnsupportedSyntax',
  unpivot: 'UnsupportedSyntax',
};

const CONSTANTS: Readonly<Record<string, true | false | null | undefined>> = {
  true: true,
  false: false,
  null: null,
  missing: undefined,
};
/** Whose arguments FROM and FOR separate. */
const SEPARATES: ReadonlySet<string> = new Set(['trim', 'substring', 'extract']);
const TRIMS: ReadonlySet<string> = new Set(['leading', 'trailing', 'both']);
const OPERAND = /^"\d+"$/;
const INDEX_DIGITS_MAX = 9;

/** Faults of the lexer, and those of REFUSED. */
export function rewrite(text: string): Rewritten {
  return new Rewriter(text).run();
}

class Rewriter {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #operands: Operand[] = [];
  readonly #out: { readonly text: string; readonly token: Token }[] = [];
  /** The function that each open parenthesis belongs to, or ''; and each CASE. */
  readonly #open: string[] = [];
  #i = 0;
  #limit: number | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  run(): Rewritten {
    this.#begin();
    for (let token = this.#token; token.kind !== 'end'; token = this.#token) {
      if (this.#out.length >= PARSED_TOKENS_MAX) throw this.#fault('MaxOperatorsExceeded');
      if (token.kind === 'word') this.#word(token);
      else if (token.kind === 'operator') this.#operator(token);
      else if (token.kind === 'quoted') this.#operand({ kind: 'path', steps: this.#path(), at: token.at }, token);
      else this.#literal(token);
    }
    let sql = '';
    const starts = this.#out.map(({ text }) => {
      const start = sql.length;
      sql += `${text} `;
      return start;
    });
    const end = this.#token;
    return {
      sql,
      operands: this.#operands,
      limit: this.#limit,
      tokenAt: (offset) => this.#out[starts.findLastIndex((start) => start <= offset)]?.token ?? end,
      fault: (code, token, what) => this.#fault(code, token ?? end, what),
    };
  }

  get #token(): Token {
    return this.#at(this.#i);
  }

  get #next(): Token {
    return this.#at(this.#i + 1);
  }

  /** The end stands at every place behind it, too. */
  #at(index: number): Token {
    return this.#tokens[Math.min(index, this.#tokens.length - 1)] as Token;
  }

  #fault(code: S3Code, token: Pick<Token, 'at'> = this.#token, what = ''): Error {
    return s3Fault(code, what === '' ? '' : `${what} ${placeOf(this.#text, token.at)}.`);
  }

  /** By its code's name for it. */
  #unexpected(token: Token): Error {
    const what = token.kind === 'end' ? 'end of the expression' : JSON.stringify(token.text);
    const isKeyword = token.kind === 'word' && RESERVED.has(token.lower);
    return this.#fault(isKeyword ? 'ParseUnExpectedKeyword' : 'ParseUnexpectedToken', token, `Unexpected ${what}`);
  }

  #emit(text: string, token: Token): void {
    this.#out.push({ text, token });
  }

  #operand(operand: Operand, token: Token): void {
    this.#emit(`"${this.#operands.push(operand) - 1}"`, token);
  }

  #begin(): void {
    const token = this.#token;
    if (token.lower === 'select') return;
    if (token.kind !== 'word') throw this.#unexpected(token);
    throw this.#fault('UnsupportedSqlOperation', token, `${token.text} is not supported, only SELECT is,`);
  }

  #word(token: Token): void {
    const { lower } = token;
    const refusal = Object.hasOwn(REFUSED, lower) ? REFUSED[lower] : undefined;
    if (refusal) throw this.#fault(refusal, token, `${token.text} is not supported`);
    if (lower === 'limit') return this.#takeLimit();
    if (lower === 'escape') return this.#keep('#-');
    if (lower === 'missing' && this.#isAfterIs()) return this.#keep('TRUE');
    if (lower === 'null' && this.#isAfterIs()) return this.#keep('NULL');
    if (Object.hasOwn(CONSTANTS, lower)) {
      this.#i++;
      return this.#operand({ kind: 'literal', literal: { constant: CONSTANTS[lower] }, at: token.at }, token);
    }
    if (this.#takeSpecial(token)) return;
    if (lower === 'select' && this.#out.length > 0) throw this.#fault('UnsupportedSqlStructure', token, 'Sub-query');
    if (lower === 'case') this.#enter(lower);
    if (lower === 'end' && this.#open.at(-1) === 'case') this.#open.pop();
    if (GRAMMAR.has(lower)) return this.#keep(lower);
    if (this.#next.text === '(' && this.#next.kind === 'operator') return this.#call(token);
    if (lower === 'cast') throw this.#fault('ParseExpectedLeftParenAfterCast', token, 'No parenthesis after CAST');
    if (RESERVED.has(lower)) throw this.#unexpected(token);
    this.#operand({ kind: 'path', steps: this.#path(), at: token.at }, token);
  }

  #keep(text: string): void {
    this.#emit(text, this.#token);
    this.#i++;
  }

  #isAfterIs(): boolean {
    const [before, last] = [this.#out.at(-2)?.text, this.#out.at(-1)?.text];
    return last === 'is' || (last === 'not' && before === 'is');
  }

  /** Words that mean something else inside the parentheses of some functions. */
  #takeSpecial(token: Token): boolean {
    const inside = this.#open.at(-1) ?? '';
    const isFirst = this.#out.at(-1)?.text === '(';
    if (inside === 'cast' && this.#out.at(-1)?.text === 'as') {
      if (!Object.hasOwn(TYPES, token.lower)) {
        throw this.#fault('InvalidDataType', token, `${token.text} is no data type that is supported,`);
      }
      this.#keep(token.lower);
      return true;
    }
    if (isFirst && (inside === 'date_add' || inside === 'date_diff' || inside === 'extract')) {
      const parts: readonly string[] = inside === 'extract' ? EXTRACTED_PARTS : DATE_PARTS;
      if (!parts.includes(token.lower)) throw this.#fault('ParseExpectedDatePart', token, 'No date part');
      this.#i++;
      this.#operand({ kind: 'literal', literal: { string: token.lower }, at: token.at }, token);
      return true;
    }
    if (isFirst && inside === 'trim' && TRIMS.has(token.lower)) {
      this.#out.splice(-2, 1, { text: `"trim_${token.lower}"`, token });
      this.#i++;
      if (this.#token.lower === 'from' && this.#token.kind === 'word') this.#i++;
      return true;
    }
    if (SEPARATES.has(inside) && (token.lower === 'from' || token.lower === 'for')) {
      this.#keep(',');
      return true;
    }
    return false;
  }

  #call(token: Token): void {
    this.#emit(token.lower === 'cast' ? 'cast' : `"${token.lower}"`, token);
    this.#i++;
    this.#openParenthesis(token.lower);
  }

  #openParenthesis(of: string): void {
    // A name, a path or a literal, which is no function.
    if (OPERAND.test(this.#out.at(-1)?.text ?? '')) throw this.#unexpected(this.#token);
    this.#enter(of);
    this.#keep('(');
  }

  #enter(what: string): void {
    if (this.#open.push(what) > DEPTH_MAX) throw this.#fault('MaxOperatorsExceeded');
  }

  #operator(token: Token): void {
    const { text } = token;
    if (text === '[' || text === ']' || text === '.') throw this.#unexpected(token);
    if (text !== '(') {
      const isType = this.#open.at(-1) === 'cast' && this.#out.at(-1)?.text === 'as';
      if (isType) throw this.#fault('ParseExpectedTypeName', token, 'No data type');
      if (text === ')') this.#open.pop();
      return this.#keep(text);
    }
    const isList = this.#out.at(-1)?.text === 'in';
    this.#openParenthesis('');
    if (isList) this.#takeList();
  }

  /** A list of nothing but literals, up to its end; anything else is left as it is. */
  #takeList(): void {
    const first = this.#token;
    const literals: Literal[] = [];
    for (let i = this.#i; ; ) {
      const sign = this.#at(i).text === '-' && this.#at(i).kind === 'operator' ? '-' : '';
      if (sign !== '') i++;
      const literal = literalOf(this.#at(i));
      if (literal === undefined || (sign !== '' && !('number' in literal))) return;
      literals.push('number' in literal ? { number: sign + literal.number } : literal);
      const after = this.#at(i + 1);
      i += 2;
      if (after.kind !== 'operator') return;
      if (after.text === ')') {
        this.#i = i - 1;
        return this.#operand({ kind: 'list', literals, at: first.at }, first);
      }
      if (after.text !== ',') return;
    }
  }

  #literal(token: Token): void {
    const literal = literalOf(token);
    if (literal === undefined) throw this.#unexpected(token);
    this.#i++;
    this.#operand({ kind: 'literal', literal, at: token.at }, token);
  }

  #takeLimit(): void {
    this.#i++;
    const isNegative = this.#token.text === '-' && this.#token.kind === 'operator';
    if (isNegative) this.#i++;
    const token = this.#token;
    if (token.kind !== 'number' || !/^\d+$/.test(token.text)) {
      throw this.#fault('ParseExpectedNumber', token, 'No whole number after LIMIT');
    }
    if (isNegative) throw this.#fault('EvaluatorNegativeLimit');
    this.#limit = Number(token.text);
    this.#i++;
    if (this.#token.kind !== 'end') throw this.#unexpected(this.#token);
  }

  #path(): Step[] {
    const first = this.#token;
    const steps: Step[] = [{ name: first.text, quoted: first.kind === 'quoted' }];
    this.#i++;
    while (this.#token.kind === 'operator') {
      if (this.#token.text === '.') steps.push(this.#named());
      else if (this.#token.text === '[') steps.push(this.#indexed());
      else break;
    }
    return steps;
  }

  /** `.name`, `."name"`, `.*` */
  #named(): Step {
    this.#i++;
    const token = this.#token;
    this.#i++;
    if (token.kind === 'quoted') return { name: token.text, quoted: true };
    if (token.kind === 'operator' && token.text === '*') return { wildcard: 'names' };
    if (token.kind === 'word' && RESERVED.has(token.lower)) throw this.#unexpected(token);
    if (token.kind === 'word') return { name: token.text, quoted: false };
    throw this.#fault('ParseInvalidPathComponent', token, 'No name after a dot');
  }

  /** `[0]`, `['name']`, `[*]` */
  #indexed(): Step {
    this.#i++;
    const token = this.#token;
    this.#i++;
    const close = this.#token;
    this.#i++;
    if (close.kind !== 'operator' || close.text !== ']') throw this.#fault('ParseInvalidPathComponent', close, 'No ]');
    if (token.kind === 'string') return { name: token.text, quoted: true };
    if (token.kind === 'operator' && token.text === '*') return { wildcard: 'items' };
    if (token.kind === 'number' && /^\d+$/.test(token.text) && token.text.length <= INDEX_DIGITS_MAX) {
      return { index: Number(token.text) };
    }
    throw this.#fault('ParseInvalidPathComponent', token, 'No place in a list');
  }
}

function literalOf({ kind, text, lower }: Token): Literal | undefined {
  if (kind === 'number') return { number: text };
  if (kind === 'string') return { string: text };
  if (kind === 'ion') return { timestamp: text };
  if (kind === 'word' && Object.hasOwn(CONSTANTS, lower)) return { constant: CONSTANTS[lower] };
  return undefined;
}
