/**
 * The hash of one live row that listing digests add up: two independent 32-bit lanes over ballot and name, on numbers
 * only, because it runs once or twice per write. It tells replicas apart that drifted; it is no defence against names
 * chosen to collide (the cost of a collision is a listing read from one replica).
 */
const BALLOT_AT = 16;

/** Results of the last `readLanes`: a returned pair would be an allocation per write. */
export let laneA = 0;
export let laneB = 0;

/** `head`: an encoded register; its name lies at [from, to). */
export function readLanes(head: Buffer, from: number, to: number): void {
  let a = 0x2c1b3c6d;
  let b = 0x297a2d39 ^ (to - from);
  for (let at = BALLOT_AT; at < BALLOT_AT + 8; at += 4) {
    const word = wordAt(head, at);
    a = mixA(a, word);
    b = mixB(b, word);
  }
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const word = wordAt(head, at);
    a = mixA(a, word);
    b = mixB(b, word);
  }
  let tail = 0;
  for (; at < to; at++) tail = (tail << 8) | (head[at] as number);
  laneA = finish(mixA(a, tail) ^ (to - from));
  laneB = finish(mixB(b, tail) ^ 0x5bd1e995);
}

function wordAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** The round of MurmurHash3 x86_32 (Appleby, public domain). */
function mixA(state: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const mixed = state ^ k;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** A different round, so that two rows that collide in one lane do not in the other. */
function mixB(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, 0x9e3779b1);
  return Math.imul((mixed << 11) | (mixed >>> 21), 0x85ebca77) ^ (mixed >>> 15);
}

function finish(state: number): number {
  let h = state ^ (state >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
