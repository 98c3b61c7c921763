/**
 * Everything that two devices share, page by page: what the other holds and this one lacks. Goes partition by partition in
 * key order over the other's registers, tombstones included; what this one holds beyond is the other's business.
 */
import { isFault } from '../../fabric/errors.ts';
import { asPartition } from '../../ring/contract.ts';
import { headBallot, headKey, type Key, SPACE_HANDOFF, SPACE_REPLICATED } from '../contract.ts';
import { lacks, type Wanted } from './register-fetch.ts';
import { ask, type DaemonWorld, peerOf } from './world.ts';

/** Heads in one answer; halved when the answer is too large for one message. */
const PAGE_HEADS = 256;
/** A rough weight, to show how much is left before anything is known. */
const RANGE_BYTES = 64 * 1024;

interface KeyRange {
  readonly start: Key;
  readonly end: Key;
}

export class Comparison {
  readonly #world: DaemonWorld;
  readonly #peer: number;
  readonly #ranges: readonly KeyRange[];
  #range = 0;
  #from: Key | undefined;
  #limit = PAGE_HEADS;

  constructor(world: DaemonWorld, peer: number) {
    this.#world = world;
    this.#peer = peer;
    this.#ranges = sharedRanges(world, peer);
  }

  get done(): boolean {
    return this.#range >= this.#ranges.length;
  }

  get restBytes(): number {
    return (this.#ranges.length - this.#range) * RANGE_BYTES;
  }

  /** What is lacking of the next page. The page counts as done, so the caller remembers what it could not get. */
  async next(): Promise<Wanted[]> {
    const range = this.#ranges[this.#range];
    const peer = peerOf(this.#world, this.#peer);
    if (!range || !peer) return [];
    const args = { device: this.#peer, start: this.#from ?? range.start, end: range.end, limit: this.#limit };
    try {
      const { heads, more } = await ask(peer, 'scan', args);
      const last = heads.at(-1);
      if (more && last) this.#from = `${headKey(last)}\0`;
      else {
        this.#range++;
        this.#from = undefined;
      }
      this.#limit = Math.min(PAGE_HEADS, this.#limit * 2);
      const all = heads.map((head) => ({ key: headKey(head), ballot: headBallot(head) }));
      return all.filter((each) => lacks(this.#world, each));
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#limit = Math.max(1, this.#limit >> 1);
      throw error;
    }
  }
}

/** Of partitions that both are primaries of; neighbours joined. */
function sharedRanges({ ring, device }: DaemonWorld, peer: number): KeyRange[] {
  const ranges: KeyRange[] = [];
  const { partPower, partitionCount } = ring;
  let start: number | undefined;
  for (let partition = 0; partition <= partitionCount; partition++) {
    const ids = partition < partitionCount ? ring.primaries(asPartition(partition, partPower)).map(({ id }) => id) : [];
    const shared = ids.includes(peer) && ids.includes(device.deviceId);
    if (shared) start ??= partition;
    else if (start !== undefined) {
      ranges.push({ start: keyOf(start, partPower), end: keyOf(partition, partPower) });
      start = undefined;
    }
  }
  return ranges;
}

/** The first key of a partition. */
function keyOf(partition: number, partPower: number): Key {
  if (partition >= 2 ** partPower) return SPACE_HANDOFF;
  const top = Buffer.alloc(4);
  top.writeUInt32BE(partition * 2 ** (32 - partPower));
  return SPACE_REPLICATED + top.toString('latin1');
}
