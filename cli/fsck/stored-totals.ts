/**
 * Totals as a device stored them against the rows it holds. They are one moment's state only where the device was closed
 * in good order; behind a crash the log's tail is not in them yet, and there is nothing to compare.
 */
import { prefixLength } from '../../account-container/prefix.ts';
import { Tally } from '../../account-container/tally.ts';
import { decodeTotals, totalsKey } from '../../account-container/totals-format.ts';
import type { Kv } from '../../fabric/kv.ts';
import { isTombstone, type Key, type Lsn } from '../../object-server/contract.ts';
import { decodeCheckpoint, LOCAL, unseal } from '../../object-server/local-format.ts';

/** Prefixes of the tables whose totals are wrong. */
export function checkStoredTotals(kv: Kv, rows: ReadonlyMap<Key, { head: Buffer; lsn: Lsn }>): Key[] {
  const sealed = kv.get(LOCAL.checkpoint);
  const covered = sealed ? decodeCheckpoint(unseal(LOCAL.checkpoint, sealed)).covered : 0;
  const tallies = new Map<Key, Tally>();
  for (const [key, { head, lsn }] of rows) {
    if (lsn >= covered) return [];
    const length = prefixLength(key);
    if (length === 0) continue;
    const prefix = key.slice(0, length);
    const tally = tallies.get(prefix) ?? new Tally();
    tallies.set(prefix, tally);
    if (!isTombstone(head)) tally.count(key, head, length, 1);
    tally.saw(head);
  }
  return [...tallies].filter(([prefix, tally]) => !isStored(kv, prefix, tally)).map(([prefix]) => prefix);
}

/** A value that does not decode is one the device does not trust either: it counts the rows when it starts. */
function isStored(kv: Kv, prefix: Key, tally: Tally): boolean {
  const bytes = kv.get(totalsKey(prefix));
  if (!bytes) return tally.empty;
  const stored = decodeTotals(bytes);
  if (!stored) return true;
  const [a, b] = [stored.snapshot(), tally.snapshot()];
  return a.digest === b.digest && a.rowCount === b.rowCount && a.bytesUsed === b.bytesUsed;
}
