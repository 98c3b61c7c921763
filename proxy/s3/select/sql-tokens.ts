/**
 * The words of an expression of S3 Select, with the place of each for messages. Knows no grammar.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html
 */
import { s3Fault } from '../errors.ts';

export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'ion' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; of what is quoted, what the quotes hold. */
  readonly text: string;
  /** Lower-case, of words; else `text`. */
  readonly lower: string;
  /** In characters from the expression's start. */
  readonly at: number;
}

const PATTERN = new RegExp(
  [
    '(?<blank>\\s+|--[^\\n]*|/\\*[^]*?(?:\\*/|$))',
    '(?<number>(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?)',
    '(?<word>[A-Za-z_$][\\w$]*)',
    '"(?<quoted>[^"]*(?:""[^"]*)*)"',
    "'(?<string>[^']*(?:''[^']*)*)'",
    '`(?<ion>[^`]*)`',
    '(?<operator><=|>=|<>|!=|\\|\\||[-=<>+*/%(),.[\\]])',
  ].join('|'),
  'y',
);

/** In order, an `end` last. Faults LexerInvalidChar, LexerInvalidLiteral. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(PATTERN);
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) throw invalidAt(text, at);
    if (groups['blank'] === undefined) tokens.push(tokenOf(groups, at));
    at = pattern.lastIndex;
  }
  tokens.push({ kind: 'end', text: '', lower: '', at });
  return tokens;
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>, at: number): Token {
  const { word, quoted, string, ion, number, operator } = groups;
  if (word !== undefined) return { kind: 'word', text: word, lower: word.toLowerCase(), at };
  if (quoted !== undefined) return plain('quoted', quoted.replaceAll('""', '"'), at);
  if (string !== undefined) return plain('string', string.replaceAll("''", "'"), at);
  if (ion !== undefined) return plain('ion', ion, at);
  if (number !== undefined) return plain('number', number, at);
  return plain('operator', operator ?? '', at);
}

const plain = (kind: TokenKind, text: string, at: number): Token => ({ kind, text, lower: text, at });

function invalidAt(text: string, at: number): Error {
  const char = text[at] as string;
  const place = placeOf(text, at);
  if ('"\'`'.includes(char)) {
    const code = char === '`' ? 'LexerInvalidIONLiteral' : 'LexerInvalidLiteral';
    return s3Fault(code, `A literal that begins with ${char} does not end, ${place}.`);
  }
  return s3Fault('LexerInvalidChar', `Invalid character ${JSON.stringify(char)} ${place}.`);
}

/** `at line 1, column 8` */
export function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split('\n');
  return `at line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
}
