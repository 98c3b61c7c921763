/**
 * Reading the handoff copies of a device: which targets there are, and page by page what is kept for each. They are ordered
 * by target, then like the registers they stand for. Blobs kept beside them are left out.
 */
import type { Stamp } from '../../fabric/stamp.ts';
import { isBlobKey } from '../blob-format.ts';
import { handoffOriginal, handoffTarget, type Key, packU16, SPACE_HANDOFF, SPACE_LOCAL } from '../contract.ts';
import type { Device } from '../device.ts';

const TARGETS_END = 0x10000;

export interface HandoffCopy {
  /** Its own, on this device. */
  readonly key: Key;
  /** Of the register it stands for. */
  readonly original: Key;
  readonly ballot: Stamp;
  readonly head: Buffer;
}

const targetRange = (target: number): { start: Key; end: Key } => ({
  start: SPACE_HANDOFF + packU16(target),
  end: target + 1 === TARGETS_END ? SPACE_LOCAL : SPACE_HANDOFF + packU16(target + 1),
});

/** Ascending; one look-up each, however many copies there are. */
export function handoffTargets(device: Device): number[] {
  const targets: number[] = [];
  let from = 0;
  while (from < TARGETS_END) {
    let found: number | undefined;
    // A blob alone is no debt: its register was delivered, the collector takes the bytes.
    device.forEach({ start: SPACE_HANDOFF + packU16(from), end: SPACE_LOCAL }, (key) => {
      found = handoffTarget(key);
      return false;
    });
    if (found === undefined) break;
    targets.push(found);
    from = found + 1;
  }
  return targets;
}

/** Up to `limit` copies for `target` from the key `after` on (exclusive). */
export function handoffPage(device: Device, target: number, after: Key | undefined, limit: number): HandoffCopy[] {
  const { start, end } = targetRange(target);
  const page: HandoffCopy[] = [];
  device.forEach({ start: after === undefined ? start : `${after}\0`, end }, (key, { ballot, head }) => {
    if (!isBlobKey(key)) page.push({ key, original: handoffOriginal(key), ballot, head });
    return page.length < limit;
  });
  return page;
}

/** Copies by target; a target's count stops at `max`. */
export function countHandoffs(device: Device, max: number): Record<number, number> {
  const counts: Record<number, number> = {};
  const total = device.status().handoffCopies;
  if (total === 0) return counts;
  const targets = handoffTargets(device);
  for (const target of targets) {
    const count = targets.length === 1 ? total : countTarget(device, target, max);
    if (count > 0) counts[target] = count;
  }
  return counts;
}

function countTarget(device: Device, target: number, max: number): number {
  let count = 0;
  device.forEach(targetRange(target), (key) => {
    if (!isBlobKey(key)) count++;
    return count < max;
  });
  return count;
}
