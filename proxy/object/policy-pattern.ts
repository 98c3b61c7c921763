/**
 * Strings of a bucket policy as patterns: `*` and `?`, and variables (`${aws:username}`, `${aws:username, 'nobody'}`,
 * `${*}`), whose values are always taken literally. Pure; matching takes at most pattern times text steps, whoever wrote
 * either. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */

/** Values of a condition key, by its lower-case name; undefined when the request has none. */
export type Facts = (key: string) => readonly string[] | undefined;

interface Variable {
  readonly key: string;
  readonly fallback: string | undefined;
}

const ANY = -1;
const ONE = -2;
/** A character code, ANY or ONE. */
type Token = number;

export interface Pattern {
  readonly tokens: readonly (Token | Variable)[];
  readonly isFixed: boolean;
  readonly hasVariables: boolean;
}

export interface PatternRules {
  /** `*` and `?` mean something. */
  readonly wild: boolean;
  /** `${…}` means something: since version 2012-10-17 of the language. */
  readonly variables: boolean;
}

/** Undefined for a variable that is none. */
export function compilePattern(text: string, { wild, variables }: PatternRules): Pattern | undefined {
  const tokens: (Token | Variable)[] = [];
  let at = 0;
  while (at < text.length) {
    if (variables && text.startsWith('${', at)) {
      const end = text.indexOf('}', at);
      if (end < 0) return undefined;
      const token = readVariable(text.slice(at + 2, end));
      if (token === undefined) return undefined;
      tokens.push(token);
      at = end + 1;
      continue;
    }
    const char = text[at] as string;
    tokens.push(wild && char === '*' ? ANY : wild && char === '?' ? ONE : char.charCodeAt(0));
    at++;
  }
  const hasVariables = tokens.some((token) => typeof token !== 'number');
  return { tokens, hasVariables, isFixed: tokens.every((token) => typeof token === 'number' && token >= 0) };
}

function readVariable(inside: string): Token | Variable | undefined {
  if (inside === '*' || inside === '?' || inside === '$') return inside.charCodeAt(0);
  const match = /^\s*([A-Za-z0-9]+:[A-Za-z0-9/_.:-]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside);
  return match ? { key: (match[1] as string).toLowerCase(), fallback: match[2] } : undefined;
}

/** Every variable that the pattern names, for whoever checks them. */
export function variablesOf({ tokens }: Pattern): readonly string[] {
  return tokens.flatMap((token) => (typeof token === 'number' ? [] : [token.key]));
}

/** A pattern with a variable that the request lacks matches nothing. */
export function matches(pattern: Pattern, text: string, facts: Facts): boolean {
  const tokens = pattern.hasVariables ? fillIn(pattern, facts) : (pattern.tokens as readonly Token[]);
  return tokens !== undefined && matchTokens(tokens, text);
}

function fillIn({ tokens }: Pattern, facts: Facts): readonly Token[] | undefined {
  const filled: Token[] = [];
  for (const token of tokens) {
    if (typeof token === 'number') filled.push(token);
    else {
      const values = facts(token.key);
      const value = values?.length === 1 ? values[0] : token.fallback;
      if (value === undefined) return undefined;
      for (let i = 0; i < value.length; i++) filled.push(value.charCodeAt(i));
    }
  }
  return filled;
}

/** Greedy with one step back to the last `*`. */
function matchTokens(tokens: readonly Token[], text: string): boolean {
  let [token, char, star, mark] = [0, 0, -1, 0];
  while (char < text.length) {
    const wanted = tokens[token];
    if (wanted === ANY) {
      star = token++;
      mark = char;
    } else if (wanted !== undefined && (wanted === ONE || wanted === text.charCodeAt(char))) {
      token++;
      char++;
    } else if (star >= 0) {
      token = star + 1;
      char = ++mark;
    } else return false;
  }
  while (tokens[token] === ANY) token++;
  return token === tokens.length;
}
