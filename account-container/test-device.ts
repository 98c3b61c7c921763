/**
 * For tests only: a DeviceStore in memory (sorted keys and a map) that feeds a projection, and a listing as the rules
 * define it, name by name, against which the real one is checked.
 */
import type { Random } from '../fabric/random.ts';
import { makeStamp, type Stamp } from '../fabric/stamp.ts';
import {
  type DeviceStore,
  encodeHead,
  FLAG_TOMBSTONE,
  headBallot,
  headKey,
  headStamp,
  isTombstone,
  type Key,
  type Projection,
  type RegisterView,
  utf8ToLatin1,
} from '../object-server/contract.ts';
import type { ListArgs } from './page.ts';
import { tablePrefix } from './prefix.ts';
import { encodeRow } from './row-format.ts';

export const CONTAINER_HASH = Buffer.from('00112233445566778899aabbccddeeff', 'hex').toString('latin1');
export const INCARNATION = makeStamp(5, 1);
export const PREFIX = tablePrefix(CONTAINER_HASH, INCARNATION, 0);

export class TestDevice implements DeviceStore {
  readonly deviceId = 1;
  readonly views = new Map<Key, RegisterView>();
  readonly #projections: readonly Projection[];
  #keys: Key[] = [];
  #unsorted = false;
  pending: Promise<void> | undefined;
  seeks = 0;

  constructor(...projections: Projection[]) {
    this.#projections = projections;
  }

  /** Newest ballot wins; false when it lost. */
  apply(head: Buffer): boolean {
    const key = headKey(head);
    const previous = this.views.get(key);
    const ballot = headBallot(head);
    if (previous && previous.ballot >= ballot) return false;
    const view = { ballot, stamp: headStamp(head), tombstone: isTombstone(head), head, lsn: 0 };
    this.views.set(key, view);
    if (!previous) {
      this.#keys.push(key);
      this.#unsorted = true;
    }
    for (const projection of this.#projections) projection.applied(key, previous, view);
    return true;
  }

  /** A register that was there before: no projection hears of it. */
  adopt(key: Key, view: RegisterView): void {
    this.views.set(key, view);
    this.#keys.push(key);
    this.#unsorted = true;
  }

  /** As a damaged register that is set aside: no projection hears of it. */
  remove(key: Key): void {
    this.views.delete(key);
    this.#keys = this.#keys.filter((each) => each !== key);
  }

  get(key: Key): RegisterView | undefined {
    return this.views.get(key);
  }

  forEach(
    range: { start: Key; end: Key; reverse?: boolean },
    visit: (key: Key, view: RegisterView) => boolean | void,
  ): void {
    this.seeks++;
    if (this.#unsorted) this.#keys.sort((a, b) => (a < b ? -1 : 1));
    this.#unsorted = false;
    const first = this.#indexOf(range.start);
    const last = this.#indexOf(range.end) - 1;
    const count = last - first + 1;
    for (let i = 0; i < count; i++) {
      const key = this.#keys[range.reverse ? last - i : first + i] as Key;
      if (visit(key, this.views.get(key) as RegisterView) === false) return;
    }
  }

  durable(): Promise<void> | undefined {
    return this.pending;
  }

  promised(): undefined {}

  #indexOf(key: Key): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as Key) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export interface TestRow {
  readonly name: string;
  readonly ticks: number;
  readonly deleted?: boolean;
  readonly sizeBytes?: number;
  readonly policy?: number;
  readonly flags?: number;
}

/** `name` as in JavaScript. */
export function rowHead(row: TestRow, prefix: Key = PREFIX): Buffer {
  const stamp: Stamp = makeStamp(row.ticks, 1);
  const { sizeBytes = row.ticks, policy = 0, flags = 0 } = row;
  const meta = encodeRow({
    sizeBytes,
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
    contentType: 'text/plain',
    policy,
    flags,
  });
  const fields = { key: prefix + utf8ToLatin1(row.name), ballot: stamp, stamp };
  return row.deleted ? encodeHead({ ...fields, flags: FLAG_TOMBSTONE }) : encodeHead({ ...fields, meta });
}

export function listArgs(change: Partial<ListArgs> = {}): ListArgs {
  const none = { prefix: '', delimiter: '', marker: '', endMarker: '' };
  return { device: 1, rowPrefix: PREFIX, ...none, limit: 1000, reverse: false, ...change };
}

/** Every entry the rules give, by definition: names in order, within the markers, folded. */
export function allEntries(liveNames: Iterable<string>, args: ListArgs): string[] {
  const { prefix, delimiter, marker, endMarker, reverse } = args;
  const lower = reverse ? endMarker : marker;
  const upper = reverse ? marker : endMarker;
  const names = [...liveNames].filter(
    (name) => name.startsWith(prefix) && name > lower && (upper === '' || name < upper),
  );
  names.sort((a, b) => (a < b ? -1 : 1));
  if (reverse) names.reverse();
  const entries: string[] = [];
  for (const name of names) {
    const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const entry = at < 0 ? name : name.slice(0, at + delimiter.length);
    if (at >= 0 && (entry === lower || entry === entries.at(-1))) continue;
    if (at >= 0 && args.markerSkipsPrefix && !reverse && entry <= marker) continue;
    entries.push(entry);
  }
  return entries;
}

const LETTERS = ['a', 'b', 'c', '/', '/', '--', '-', 'é', '\u{1f600}', '\uff01', 'z'];

/** Short names over few letters, so that prefixes, markers and folds meet often. JavaScript strings. */
export function randomName(random: Random, lengthMax = 6): string {
  let name = '';
  for (let left = 1 + random.below(lengthMax); left > 0; left--) name += LETTERS[random.below(LETTERS.length)];
  return name;
}

export function randomArgs(random: Random): ListArgs {
  const maybe = (odds: number): string => (random.below(odds) === 0 ? utf8ToLatin1(randomName(random, 3)) : '');
  return listArgs({
    prefix: maybe(3),
    delimiter: ['', '/', '/', '--', 'b', '/a'][random.below(6)] as string,
    marker: maybe(2),
    endMarker: maybe(4),
    limit: 1 + random.below(12),
    reverse: random.below(3) === 0,
    markerSkipsPrefix: random.below(2) === 0,
  });
}
