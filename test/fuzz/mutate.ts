/** Makes odd inputs of proper ones: cut, doubled, moved, overwritten with bytes or words, grown beyond sense. */
import type { Random } from '../../fabric/random.ts';

const STEPS_MAX = 5;
const PIECE_BYTES_MAX = 40;
const GROWN_BYTES_MAX = 64 * 1024;
const WORDS = [
  '',
  '\0',
  '\r\n',
  '\n',
  '<',
  '>',
  '&',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ';',
  '=',
  '/',
  '..',
  '%',
  '%00',
  '%ff',
  '\\u0000',
]
  .concat([
    '\\ud800',
    '-1',
    '0',
    '1e999',
    '9'.repeat(30),
    '0x10',
    'null',
    'true',
    'NaN',
    '__proto__',
    'constructor',
    '\xff\xfe',
    '\xc0\xaf',
  ])
  .concat([
    '&#0;',
    '&lt;',
    '<![CDATA[',
    '<!--',
    '<!DOCTYPE a [',
    '<!ENTITY b "c">',
    '${a}',
    '*',
    '?',
    '\ufeff',
    '\u2028',
  ]);

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;

export function mutate(random: Random, seeds: readonly Buffer[], words: readonly string[]): Buffer {
  let out = pick(random, seeds);
  const all = [...WORDS, ...words];
  for (let steps = random.below(STEPS_MAX); steps > 0; steps--) out = change(random, out, { seeds, words: all });
  return out;
}

interface Sources {
  readonly seeds: readonly Buffer[];
  readonly words: readonly string[];
}

function change(random: Random, input: Buffer, { seeds, words }: Sources): Buffer {
  const at = random.below(input.length + 1);
  const end = Math.min(at + random.below(PIECE_BYTES_MAX), input.length);
  const [head, piece, tail] = [input.subarray(0, at), input.subarray(at, end), input.subarray(end)];
  const word = Buffer.from(pick(random, words), random.below(2) === 0 ? 'latin1' : 'utf8');
  switch (random.below(9)) {
    case 0:
      return Buffer.concat([head, tail]);
    case 1:
      return Buffer.concat([head, piece, piece, tail]);
    case 2:
      return Buffer.concat([head, word, tail]);
    case 3:
      return Buffer.concat([head, word, piece, tail]);
    case 4:
      return Buffer.concat([piece, head, tail]);
    case 5:
      return flipped(random, input);
    case 6:
      return head;
    case 7: {
      const other = pick(random, seeds);
      return Buffer.concat([head, other.subarray(random.below(other.length + 1))]);
    }
    default:
      return grown(random, { head, piece, tail });
  }
}

function flipped(random: Random, input: Buffer): Buffer {
  const out = Buffer.from(input);
  for (let count = 1 + random.below(4); count > 0 && out.length > 0; count--) {
    const at = random.below(out.length);
    out[at] = (out[at] as number) ^ (1 << random.below(8));
  }
  return out;
}

/** A piece many times over: what is quadratic shows. */
function grown(random: Random, { head, piece, tail }: Record<'head' | 'piece' | 'tail', Buffer>): Buffer {
  if (piece.length === 0 || random.below(4) > 0) return Buffer.concat([head, piece, piece, tail]);
  const times = 1 + random.below(Math.floor(GROWN_BYTES_MAX / piece.length));
  return Buffer.concat([head, Buffer.alloc(piece.length * times, piece), tail]);
}
