/**
 * DIR/writer.json: the writer id of this life of the proxy and the ticks it may have used up. Every start takes the next
 * id: what an earlier life left unfinished stays under that life's id, so no mark of this one can pass over it. The
 * ceiling is written ahead of use, about once a minute of writing: a restart with the clock set back repeats no stamp.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../fabric/clock.ts';
import { createStampSource, type StampSource, WRITER_ID_MAX } from '../../fabric/stamp.ts';
import { readIfThere } from './identity.ts';

interface WriterFile {
  readonly writerId: number;
  readonly ceilingTicks: number;
}

export function openStampSource(directory: string, clock: Clock): StampSource {
  const file = path.join(directory, 'writer.json');
  const text = readIfThere(file);
  const last = text ? (JSON.parse(text) as WriterFile) : { writerId: 0, ceilingTicks: 0 };
  const writerId = (last.writerId % WRITER_ID_MAX) + 1;
  const save = (ceilingTicks: number): void => writeDurably(file, JSON.stringify({ writerId, ceilingTicks }));
  save(last.ceilingTicks);
  return createStampSource({ clock, writerId, floorTicks: last.ceilingTicks, reserve: save });
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
