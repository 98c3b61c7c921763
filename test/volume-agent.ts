// An agent that adopts the volume v1 of a bed's folder and takes snapshots until it is killed (see survive.test.ts).
import { join } from 'node:path';
import process from 'node:process';
import { createQsdEngine } from '../block/engine/qsd-engine.ts';
import { bedWorld } from './volume-bed.ts';

const folder = process.argv[2] ?? '';
const engine = await createQsdEngine({ world: bedWorld, runtimeDir: join(folder, 'run') });
await engine.adopt({ id: 'v1', dir: process.argv[3] ?? '' });
process.stdout.write('ready\n');
for (let i = 0; ; i++) {
  await engine.beginSnapshot('v1', { snapshotId: `s${i}` });
  await engine.endSnapshot('v1', { snapshotId: `s${i}`, keep: i % 3 !== 0 });
}
