/**
 * LIKE: `_` is one character, `%` any number of them. Takes time in proportion to text times pattern at worst, and gives up
 * before that holds up everybody else; a regular expression could take forever.
 */
import { s3Fault } from '../errors.ts';

const PATTERN_LENGTH_MAX = 10_000;
/** Of one text: about a tenth of a second. */
const STEPS_MAX = 50_000_000;

const ANY = -1;
const ONE = -2;

export type Matcher = (text: string) => boolean;

/** Faults LikeInvalidInputs, EvaluatorLikePatternInvalidEscapeSequence. */
export function compileLike(pattern: string, escapedBy: string | undefined): Matcher {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw s3Fault('LikeInvalidInputs', `A LIKE pattern is at most ${PATTERN_LENGTH_MAX} characters long.`);
  }
  if (escapedBy !== undefined && [...escapedBy].length !== 1) {
    throw s3Fault('EvaluatorLikePatternInvalidEscapeSequence', 'ESCAPE takes one character.');
  }
  const symbols = readPattern(pattern, escapedBy);
  const plain = plainMatcher(symbols);
  return plain ?? ((text) => matches(symbols, text));
}

function readPattern(pattern: string, escapedBy: string | undefined): Int32Array {
  const symbols: number[] = [];
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    let char = chars[i] as string;
    if (char === escapedBy) {
      char = chars[++i] as string;
      if (char !== '%' && char !== '_' && char !== escapedBy) {
        throw s3Fault('EvaluatorLikePatternInvalidEscapeSequence', 'Only %, _ and the escape itself can be escaped.');
      }
      symbols.push(char.codePointAt(0) as number);
    } else if (char === '_') symbols.push(ONE);
    else if (char !== '%') symbols.push(char.codePointAt(0) as number);
    else if (symbols.at(-1) !== ANY) symbols.push(ANY);
  }
  return Int32Array.from(symbols);
}

/** `text`, `text%`, `%text` and `%text%`, which most are. */
function plainMatcher(symbols: Int32Array): Matcher | undefined {
  const [first, last] = [symbols[0] === ANY, symbols.length > 1 && symbols.at(-1) === ANY];
  const inner = symbols.subarray(first ? 1 : 0, last ? -1 : undefined);
  if (inner.some((symbol) => symbol < 0)) return undefined;
  let part = '';
  for (const symbol of inner) part += String.fromCodePoint(symbol);
  if (first && last) return (text) => text.includes(part);
  if (first) return (text) => text.endsWith(part);
  return last ? (text) => text.startsWith(part) : (text) => text === part;
}

/** Each `%` takes as little as it can; only the last one is ever tried again. Characters beyond 16 bits are two units. */
function matches(symbols: Int32Array, text: string): boolean {
  let [at, symbolAt, anyAt, takenTo] = [0, 0, -1, 0];
  for (let steps = 0; at < text.length; steps++) {
    if (steps > STEPS_MAX) throw s3Fault('LikeInvalidInputs', 'A LIKE pattern takes too long.');
    const symbol = symbols[symbolAt];
    const point = text.codePointAt(at) as number;
    if (symbol === ANY) {
      anyAt = symbolAt++;
      takenTo = at;
    } else if (symbol !== undefined && (symbol === ONE || symbol === point)) {
      at += unitsOf(point);
      symbolAt++;
    } else if (anyAt >= 0) {
      symbolAt = anyAt + 1;
      takenTo += unitsOf(text.codePointAt(takenTo) as number);
      at = takenTo;
    } else return false;
  }
  while (symbols[symbolAt] === ANY) symbolAt++;
  return symbolAt === symbols.length;
}

const unitsOf = (point: number): number => (point > 0xffff ? 2 : 1);
