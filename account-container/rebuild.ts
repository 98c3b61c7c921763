/**
 * Rows of a container as its object registers say they must be: for a listing that was lost or is doubted. Pure: heads
 * come from whoever scans the object logs, what they mean from a callback (an object's meta is the proxy's business), and
 * the mutations that come out are applied like any other write, so a rebuild may run beside clients.
 *
 * A row carries its object's stamp as stamp and ballot. A head older than the row changes nothing, so replicas of
 * different age may be fed in any order (hence a tombstone even where there is no row: an older head may follow);
 * feeding every name's newest head once costs least.
 */
import type { Stamp } from '../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  KIND_AT,
  type Mutation,
  makeKey,
  type RegisterView,
  unpackHex,
  utf8ToLatin1,
} from '../object-server/contract.ts';

/** What an object register says about its row. */
export interface DescribedObject {
  /** As in JavaScript. */
  readonly name: string;
  /** The row as encoded by `encodeRow`; undefined when the object is not to be listed (a tombstone, expired …). */
  readonly row: Buffer | undefined;
}

export interface RebuildOptions {
  /** Of the container's table (`tablePrefix`). */
  readonly rowPrefix: Key;
  /** The row as the replica under repair holds it. */
  readonly held: (key: Key) => RegisterView | undefined;
  /** undefined: not an object of this container. */
  readonly describe: (head: Buffer) => DescribedObject | undefined;
  /** A new stamp, above everything seen: for a row that is wrong under the very ballot it should have. */
  readonly restamp: () => Stamp;
}

/** Mutations for rows that are missing, older than their object, or different from it under the same ballot. */
export function* rebuildRows(heads: Iterable<Buffer>, options: RebuildOptions): Generator<Mutation, void, undefined> {
  for (const head of heads) {
    const described = options.describe(head);
    if (!described) continue;
    const key = options.rowPrefix + utf8ToLatin1(described.name);
    const held = options.held(key);
    const stamp = headStamp(head);
    if (held && held.ballot > stamp) continue;
    if (!held || held.ballot < stamp) yield rowMutation(options.rowPrefix, key, stamp, described.row);
    else if (!sameRow(held, described.row)) yield rowMutation(options.rowPrefix, key, options.restamp(), described.row);
  }
}

/**
 * Mutations that take away live rows whose object is gone. `newestHead` gives the name's newest object head from a
 * quorum, undefined when nobody holds one. Only for rows older than any write that may be under way: a row may reach
 * this device before its object is on that quorum (`settledBelow`).
 */
export async function* removeStrayRows(
  rows: Iterable<RegisterView & { readonly key: Key }>,
  newestHead: (name: string) => Promise<Buffer | undefined>,
  options: Pick<RebuildOptions, 'rowPrefix' | 'restamp'> & { readonly settledBelow: Stamp },
): AsyncGenerator<Mutation, void, undefined> {
  for (const row of rows) {
    if (row.tombstone || row.ballot >= options.settledBelow) continue;
    const object = await newestHead(row.key.slice(options.rowPrefix.length));
    if (object && !isTombstone(object)) continue;
    const stamp = object && headStamp(object) > row.ballot ? headStamp(object) : options.restamp();
    yield rowMutation(options.rowPrefix, row.key, stamp, undefined);
  }
}

function sameRow(held: RegisterView, row: Buffer | undefined): boolean {
  if (!row || held.tombstone) return held.tombstone === (row === undefined);
  return headMeta(held.head).equals(row);
}

/** Guarded by the container, as every row is: nothing is rebuilt for one that was deleted meanwhile. */
function rowMutation(rowPrefix: Key, key: Key, stamp: Stamp, row: Buffer | undefined): Mutation {
  const fields = { key, ballot: stamp, stamp };
  const head = encodeHead(row ? { ...fields, meta: row } : { ...fields, flags: FLAG_TOMBSTONE });
  const guardStamp = unpackHex(rowPrefix.slice(KIND_AT - 8, KIND_AT)) as Stamp;
  return { head, guardKey: makeKey(rowPrefix.slice(1, KIND_AT - 8), undefined, KIND.container), guardStamp };
}
