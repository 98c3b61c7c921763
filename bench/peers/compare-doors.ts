/** Our S3 on both engines beside our Swift API: the three take turns within each pass of each row. */
import { type Embedded, startEmbedded } from '../embedded.ts';
import { describe, madeOf } from './compare-peer.ts';
import type { PeersOptions } from './options.ts';
import { DOOR_ROWS, DOORS, type Door, type DoorPass, type DoorRow, type DoorSample, Doors } from './s3-cost.ts';
import type { PeersState } from './state-format.ts';

export async function compareDoors(options: PeersOptions, state: PeersState): Promise<boolean> {
  const { processes, parent } = options;
  const done = state.door(processes).rows;
  const wanted = DOOR_ROWS.filter(({ id }) => options.rows.some((row) => row.id === id)).filter(
    ({ id }) => !options.resume || !done.some(({ row }) => row === id),
  );
  if (wanted.length === 0) return true;
  const cluster: Embedded = await startEmbedded({ processes, ...(parent ? { parent } : {}) });
  let good = true;
  try {
    const doors = await Doors.open(cluster);
    await prime(doors, options);
    for (const row of wanted) {
      const passes = await measureRow(row, doors, options);
      state.keepDoorRow(processes, { row: row.id, ...madeOf(options), passes });
      good &&= passes.every(({ samples }) => DOORS.every(({ id }) => samples[id].errors === 0));
    }
  } finally {
    await cluster.stop();
  }
  return good;
}

async function prime(doors: Doors, { primeSeconds }: PeersOptions): Promise<void> {
  const row = DOOR_ROWS.find(({ kind }) => kind === 'mixed');
  if (row === undefined || primeSeconds === 0) return;
  for (const { id } of DOORS) await doors.measure(id, { ...row, seconds: primeSeconds, warmupSeconds: 0 });
}

async function measureRow(row: DoorRow, doors: Doors, options: PeersOptions): Promise<DoorPass[]> {
  const { seconds, warmupSeconds } = options;
  const passes: DoorPass[] = [];
  for (let pass = 1; pass <= options.passes; pass++) {
    const samples: Partial<Record<Door, DoorSample>> = {};
    for (let turn = 0; turn < DOORS.length; turn++) {
      const { id } = DOORS[(turn + pass) % DOORS.length] as (typeof DOORS)[number];
      samples[id] = await doors.measure(id, { ...row, seconds, warmupSeconds });
    }
    passes.push({ samples: samples as DoorPass['samples'] });
    const texts = DOORS.map(({ id }) => `${id} ${describe(samples[id] as DoorSample)}`);
    console.log(`pass ${pass}  ${row.title.padEnd(32)} ${texts.join('  ')}`);
  }
  return passes;
}
