/**
 * Finds blobs that nothing refers to any more. Each blob is looked at once its grace is over, when it was stored and whenever
 * it lost a reference: registers of one name lie together, so the question is a short range. Dropping it makes its bytes
 * dead; the compactor takes them back.
 */
import type { Clock } from '../fabric/clock.ts';
import type { Kv } from '../fabric/kv.ts';
import { blobIdOf, isBlobKey, namePrefix } from './blob-format.ts';
import { afterPrefix, type Key } from './key-format.ts';
import { LOCAL, localRange } from './local-format.ts';
import { headRefs } from './register-format.ts';
import type { Registers } from './registers.ts';

const DUE_BYTES = 8;
const PER_STEP = 256;

export interface CollectorOptions {
  readonly registers: Registers;
  readonly kv: Kv;
  readonly clock: Clock;
}

/** Looks at up to PER_STEP blobs that are due; returns how many it dropped. Sees what the last checkpoint stored. */
export function collectGarbage({ registers, kv, clock }: CollectorOptions): number {
  const nowMs = BigInt(Math.floor(clock.nowMs()));
  const due: Key[] = [];
  kv.forEachKey(localRange(LOCAL.garbage), (key) => {
    const at = Buffer.from(key.slice(LOCAL.garbage.length, LOCAL.garbage.length + DUE_BYTES), 'latin1');
    if (at.readBigUInt64BE() > nowMs) return false;
    if (registers.localChanges.get(key) !== null) due.push(key);
    return due.length < PER_STEP;
  });
  let dropped = 0;
  for (const note of due) {
    const key = note.slice(LOCAL.garbage.length + DUE_BYTES);
    registers.forgetLocal(note);
    const held = registers.get(key);
    if (held && !isReferenced(registers, key) && registers.drop(key, held.ballot)) dropped++;
  }
  return dropped;
}

export function isReferenced(registers: Registers, blobKey: Key): boolean {
  const id = blobIdOf(blobKey);
  const start = namePrefix(blobKey);
  let found = false;
  registers.forEach({ start, end: afterPrefix(start) }, (key, entry) => {
    if (isBlobKey(key) || entry.tombstone || !entry.hasRefs) return true;
    let refs: Buffer;
    try {
      refs = headRefs(entry.head);
    } catch {
      // Unreadable: it may refer to the blob.
      found = true;
      return false;
    }
    for (let at = 0; at < refs.length && !found; at += id.length) {
      found = refs.toString('latin1', at, at + id.length) === id;
    }
    return !found;
  });
  return found;
}
