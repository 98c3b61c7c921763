import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openLmdb } from '../fabric/lmdb.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { apply, type Bed, blobStream, createBed, objectKey, put, remove, stampAt } from '../test/engine-bed.ts';
import { handoffKey, type Key, KIND } from './contract.ts';
import { type ScanProblem, scanDevice } from './scan.ts';

const random = createSeededRandom(3);

async function scan(bed: Bed): Promise<{ keys: Set<Key>; problems: ScanProblem[]; chunks: number }> {
  const keys = new Set<Key>();
  const problems: ScanProblem[] = [];
  const { chunks } = await scanDevice({
    directory: bed.directory,
    disk: systemDisk,
    openKv: (path) => openLmdb({ path, readOnly: true }),
    register: ({ key }) => void keys.add(key),
    problem: (problem) => void problems.push(problem),
  });
  return { keys, problems, chunks };
}

t.test('an offline walk finds every register, and every kind of damage', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const id = random.bytes(16);
  const blob = objectKey(1, KIND.blob, id.toString('latin1'));
  await device.blobWrite(blob, blobStream(id, random.bytes(2_500_000)));
  await apply(device, put(objectKey(1), stampAt(1), { refs: id }));
  for (let i = 2; i < 20; i++) await apply(device, put(objectKey(i), stampAt(i), { body: `body ${i}` }));
  await device.checkpoint();
  await apply(device, remove(objectKey(2), stampAt(50)), put(objectKey(30), stampAt(51), { body: 'tail' }));
  const lsn = device.get(objectKey(5))?.lsn ?? 0;
  await device.abandon();
  const whole = await scan(bed);
  t.same(whole.problems, []);
  t.equal(whole.keys.size, 1 + 19 + 1);
  t.equal(whole.chunks, 3);
  damage(bed, 'log/00000001.seg', (lsn % 2 ** 32) + 8);
  damage(bed, 'bulk/00000001.seg', 1_500_000);
  const { keys, problems } = await scan(bed);
  t.equal(keys.has(objectKey(5)), false);
  t.match(problems.map(({ problem }) => problem).sort(), [/^chunk 1 at/, /^damaged record/, /^points at \d+, where/]);
  t.ok(problems.some(({ key }) => key === blob));
});

t.test('what was given up after the last checkpoint is no damage, though the index still has it', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const { head } = put(objectKey(1), stampAt(1), { body: 'for another' });
  await device.apply([{ head, body: Buffer.from('for another') }], { writer: 1, settled: stampAt(0), handoffFor: 4 });
  await apply(device, put(objectKey(2), stampAt(2), { body: 'stays' }));
  await device.checkpoint();
  t.ok(await device.dropHandoff(handoffKey(4, objectKey(1)), stampAt(1)));
  await device.abandon();
  const { keys, problems } = await scan(bed);
  t.same(problems, []);
  t.same([...keys], [objectKey(2)]);
});

function damage(bed: Bed, file: string, position: number): void {
  const fd = openSync(join(bed.directory, file), 'r+');
  writeSync(fd, '!!!!!!', position);
  closeSync(fd);
}
