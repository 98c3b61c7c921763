/**
 * DIR/writer.json: ticks that this proxy may have used up. It is written ahead of use, about once a minute of writing, so
 * that a restart with the clock set back can never issue a stamp twice.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../fabric/clock.ts';
import { createStampSource, type StampSource } from '../../fabric/stamp.ts';
import { readIfThere } from './identity.ts';

export function openStampSource(directory: string, writerId: number, clock: Clock): StampSource {
  const file = path.join(directory, 'writer.json');
  const text = readIfThere(file);
  const floorTicks = text ? Number((JSON.parse(text) as { ceilingTicks: number }).ceilingTicks) : 0;
  return createStampSource({
    clock,
    writerId,
    floorTicks,
    reserve: (ceilingTicks) => writeDurably(file, JSON.stringify({ writerId, ceilingTicks })),
  });
}

/** Synchronous on purpose: no stamp above the ceiling may leave before the ceiling is on disk. */
function writeDurably(file: string, text: string): void {
  const handle = openSync(`${file}.new`, 'w', 0o600);
  writeSync(handle, text);
  fdatasyncSync(handle);
  closeSync(handle);
  renameSync(`${file}.new`, file);
  const directory = openSync(path.dirname(file), 'r');
  fsyncSync(directory);
  closeSync(directory);
}
