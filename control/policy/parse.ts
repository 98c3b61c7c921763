/**
 * The policy language of oslo.policy, parsed:
 *
 *     check  = or;  or = and { "or" and };  and = not { "and" not };  not = "not" not | "(" check ")" | atom
 *     atom   = "@" | "!" | "" (as @) | kind ":" match
 *     kind   = role | rule | a credential (user_id, project_id, domain_id, system_scope, is_admin, …) | 'a literal'
 *     match  = text | %(name of a target attribute)s
 *
 * Also oslo's older list form: [["a:b", "c:d"], ["e:f"]] is (a:b and c:d) or e:f. Checks of remote servers (`http:`) are refused.
 * Words are separated by blanks; brackets may stick to them. Throws PolicyError with what was wrong; never runs anything.
 */

export type Check =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Check[] }
  | { readonly kind: 'not'; readonly part: Check }
  | { readonly kind: 'role' | 'rule'; readonly match: Match }
  | { readonly kind: 'attribute'; readonly left: Left; readonly match: Match };

/** What stands before the colon: a credential's name, or a literal. */
export type Left = { readonly credential: string } | { readonly literal: string };

/** What stands after it: a text, with places for attributes of the target. */
export type Match = readonly (string | { readonly target: string })[];

export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** Nested brackets and nots. */
const DEPTH_MAX = 64;
const TEXT_CHARS_MAX = 16 * 1024;

export const ALWAYS: Check = { kind: 'constant', value: true };
export const NEVER: Check = { kind: 'constant', value: false };

export function parseCheck(source: unknown): Check {
  if (Array.isArray(source)) return parseList(source);
  if (typeof source !== 'string') throw new PolicyError('a check is a text or a list of lists');
  if (source.length > TEXT_CHARS_MAX) throw new PolicyError('a check is too long');
  const words = tokenize(source);
  if (words.length === 0) return ALWAYS;
  const parser = new Parser(words);
  return parser.parse();
}

function parseList(source: readonly unknown[]): Check {
  if (source.length === 0) return ALWAYS;
  const parts = source.map((inner) => {
    const atoms = (Array.isArray(inner) ? inner : [inner]).map((one) => {
      if (typeof one !== 'string') throw new PolicyError('a check in a list is a text');
      return parseAtom(one.trim());
    });
    return joined('and', atoms);
  });
  return joined('or', parts);
}

/** Words, with brackets at their ends made words of their own, except the ones of `%(name)s`. */
function tokenize(source: string): string[] {
  return source
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap((word) => {
      const opening = /^\(*/.exec(word)?.[0] ?? '';
      const rest = word.slice(opening.length);
      const closing = rest.startsWith('%(') && rest.endsWith(')') ? '' : (/\)*$/.exec(rest)?.[0] ?? '');
      const middle = rest.slice(0, rest.length - closing.length);
      return [...opening, ...(middle === '' ? [] : [middle]), ...closing];
    });
}

class Parser {
  readonly #words: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  parse(): Check {
    const check = this.#chain('or', () => this.#chain('and', () => this.#not()));
    if (this.#at < this.#words.length) throw new PolicyError(`did not expect '${this.#words[this.#at]}'`);
    return check;
  }

  #chain(kind: 'and' | 'or', operand: () => Check): Check {
    const parts = [operand()];
    while (this.#words[this.#at]?.toLowerCase() === kind) {
      this.#at++;
      parts.push(operand());
    }
    return joined(kind, parts);
  }

  #not(): Check {
    const word = this.#words[this.#at++];
    if (word === undefined) throw new PolicyError('the check ends too soon');
    const lower = word.toLowerCase();
    if (lower !== 'not' && lower !== '(') return parseAtom(word);
    if (++this.#depth > DEPTH_MAX) throw new PolicyError('the check is nested too deeply');
    const check = lower === 'not' ? ({ kind: 'not', part: this.#not() } as const) : this.#bracket();
    this.#depth--;
    return check;
  }

  #bracket(): Check {
    const check = this.#chain('or', () => this.#chain('and', () => this.#not()));
    if (this.#words[this.#at++] !== ')') throw new PolicyError('a bracket is not closed');
    return check;
  }
}

function joined(kind: 'and' | 'or', parts: readonly Check[]): Check {
  return parts.length === 1 ? (parts[0] as Check) : { kind, parts };
}

const KEYWORDS = new Set(['and', 'or', 'not', '(', ')']);

function parseAtom(word: string): Check {
  if (word === '@') return ALWAYS;
  if (word === '!') return NEVER;
  const literal = /^(?:'([^']*)'|"([^"]*)"):(.*)$/.exec(word);
  if (literal) {
    const text = literal[1] ?? literal[2] ?? '';
    return { kind: 'attribute', left: { literal: text }, match: parseMatch(literal[3] as string) };
  }
  const colon = word.indexOf(':');
  if (colon <= 0 || KEYWORDS.has(word.toLowerCase())) throw new PolicyError(`not a check: '${word}'`);
  const left = word.slice(0, colon);
  const match = parseMatch(word.slice(colon + 1));
  if (left === 'http' || left === 'https') throw new PolicyError('checks of remote servers are not supported');
  if (left === 'role' || left === 'rule') return { kind: left, match };
  if (!/^[A-Za-z_][\w.-]*$/.test(left)) throw new PolicyError(`not a credential's name: '${left}'`);
  return { kind: 'attribute', left: literalOf(left), match };
}

/** As Python's literals: `True:%(shared)s` and `None:%(owner)s` compare the word itself. */
function literalOf(left: string): Left {
  return left === 'True' || left === 'False' || left === 'None' ? { literal: left } : { credential: left };
}

function parseMatch(text: string): Match {
  if (text === '') throw new PolicyError('nothing stands after the colon');
  const parts: (string | { target: string })[] = [];
  let at = 0;
  for (const place of text.matchAll(/%\(([^()]+)\)s/g)) {
    if (place.index > at) parts.push(text.slice(at, place.index));
    parts.push({ target: place[1] as string });
    at = place.index + place[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  if (parts.some((part) => typeof part === 'string' && part.includes('%('))) {
    throw new PolicyError(`a place in '${text}' is not closed`);
  }
  return parts;
}

/** Back to a text that parses to the same. */
export function printCheck(check: Check): string {
  switch (check.kind) {
    case 'constant':
      return check.value ? '@' : '!';
    case 'not':
      return `not ${bracketed(check.part)}`;
    case 'and':
    case 'or':
      return check.parts.map(bracketed).join(` ${check.kind} `);
    case 'attribute':
      return `${'literal' in check.left ? quoted(check.left.literal) : check.left.credential}:${printMatch(check.match)}`;
    default:
      return `${check.kind}:${printMatch(check.match)}`;
  }
}

const quoted = (text: string): string =>
  /^(?:True|False|None)$/.test(text) ? text : text.includes("'") ? `"${text}"` : `'${text}'`;
const bracketed = (check: Check): string =>
  check.kind === 'and' || check.kind === 'or' ? `(${printCheck(check)})` : printCheck(check);
const printMatch = (match: Match): string =>
  match.map((part) => (typeof part === 'string' ? part : `%(${part.target})s`)).join('');
