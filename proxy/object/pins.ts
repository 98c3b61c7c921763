/**
 * Pins keep the blobs of one key prefix alive for records elsewhere (server-side copies, UploadPartCopy). A pin is on a
 * majority before the copy's record is written, and goes after the record that needed it was replaced; a crash between
 * leaves a pin too many (garbage), never one too few (a hole).
 */
import { Fault } from '../../fabric/errors.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headKey,
  type Key,
  KIND,
  keyKind,
  SPACE_REPLICATED,
} from '../../object-server/contract.ts';
import { writeUnder } from '../quorum-decide.ts';
import { storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { decodeMeta, type Extent, type ObjectRecord, type PartRecord, type Pin } from './object-format.ts';

/** Pins every foreign blob of `extents`; Fault NoSuchObject when one is gone already. */
export async function pinExtents(engine: Engine, extents: readonly Extent[]): Promise<readonly Pin[]> {
  const byHome = new Map<string, Set<string>>();
  for (const { home, id } of extents) {
    if (home === undefined) continue;
    const ids = byHome.get(home) ?? new Set();
    byHome.set(home, ids.add(id));
  }
  return Promise.all([...byHome].map(([home, ids]) => pinOne(engine, home, ids)));
}

async function pinOne(engine: Engine, home: string, ids: ReadonlySet<string>): Promise<Pin> {
  const pin: Pin = { home, id: engine.random.bytes(16).toString('latin1') };
  const stamp = engine.cluster.settled.open();
  const refs = Buffer.from([...ids].join(''), 'latin1');
  const head = encodeHead({ key: pinKey(pin), ballot: stamp, stamp, refs });
  const done = await writeUnder(engine.cluster, stamp, [{ head }]);
  if (done.result === 'missing-blob') throw new Fault(storeFaults.noSuchObject, { reason: 'the source was removed' });
  if (done.result !== 'ok') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  return pin;
}

/** `replaced`: heads of registers with FLAG_FOREIGN that something newer took the place of, one from each replica; `kept` stay. */
export function dropPins(engine: Engine, replaced: readonly Buffer[], kept: readonly Pin[] = []): void {
  const pins = new Map<Key, Pin>();
  for (const head of replaced) {
    for (const pin of decodeMeta<ObjectRecord | PartRecord>(head).pins ?? []) pins.set(pinKey(pin), pin);
  }
  for (const pin of kept) pins.delete(pinKey(pin));
  if (pins.size === 0) return;
  engine.later('drop pins', () => releasePins(engine, [...pins.values()]));
}

/**
 * The same where there are versions: of a register that was replaced, only a version's own says that the version is gone;
 * what stood in the object's place may be set aside, or still stand there on a replica that was behind. `gone` are heads
 * of versions that are known to be. Two versions can have come of one upload whose completion was interrupted: what they
 * are made of stays.
 */
export function dropVersionPins(
  engine: Engine,
  { replaced, gone = [] }: { readonly replaced: readonly Buffer[]; readonly gone?: readonly Buffer[] },
  kept: readonly Pin[],
): void {
  const versions = replaced.filter((head) => keyKind(headKey(head)) === KIND.version);
  const heads = [...versions, ...gone].filter((head) => decodeMeta<ObjectRecord>(head).parts === undefined);
  if (heads.length > 0) dropPins(engine, heads, kept);
}

export async function releasePins(engine: Engine, pins: readonly Pin[]): Promise<void> {
  for (const pin of pins) {
    const stamp = engine.cluster.settled.open();
    const head = encodeHead({ key: pinKey(pin), ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
    await writeUnder(engine.cluster, stamp, [{ head }]);
  }
}

const pinKey = (pin: Pin): Key => SPACE_REPLICATED + pin.home + KIND.pin + pin.id;
