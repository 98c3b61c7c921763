/** Backups written by Cinder's own code, read back byte for byte; and what is wrong with one is said, not read over. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { MemoryClient, MemoryObjects } from '../../test/repository/memory-objects.ts';
import { findPython, missingPython } from '../../test/tools.ts';
import { type CinderBackup, parseCinderMetadata } from './cinder-format.ts';
import { chainOf, layOver, listCinderBackups, openCinderBackup } from './cinder-source.ts';

t.setTimeout(120_000);
const skip = missingPython('cinder');
/** Everything is small: unpacking bzip2 takes its time. */
const UNIT = 256;
const SIZE_BYTES = 3 * 1024 * UNIT + 64 * UNIT;
const WRITER_MS = 90_000;

/** Three states of a volume; holes, random bytes and bytes that pack well. */
function states(): Buffer[] {
  const first = Buffer.alloc(SIZE_BYTES);
  first.set(randomBytes(700 * UNIT), 100 * UNIT);
  first.fill('needletail ', 1200 * UNIT, 1900 * UNIT);
  const second = Buffer.from(first);
  second.set(randomBytes(33 * UNIT), 500 * UNIT);
  second.set(randomBytes(UNIT), SIZE_BYTES - UNIT);
  const third = Buffer.from(second);
  third.fill(0, 490 * UNIT, 520 * UNIT);
  third.set(randomBytes(200 * UNIT), 1500 * UNIT);
  return [first, second, third];
}

function write(t: Test, algorithm: string, volumes: readonly Buffer[]): { ids: string[]; objects: MemoryObjects } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nt-cinder-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const files = volumes.map((bytes, i) => {
    const file = path.join(folder, `v${i}`);
    writeFileSync(file, bytes);
    return file;
  });
  const script = fileURLToPath(new URL('../../../block/backup/cinder_backups.py', import.meta.url));
  const args = [script, folder, algorithm, String(32 * UNIT), String(1024 * UNIT), ...files];
  const ran = spawnSync(findPython('cinder') as string, args, { encoding: 'utf8', timeout: WRITER_MS });
  if (ran.status !== 0) throw new Error(ran.stderr);
  const objects = new MemoryObjects();
  const root = path.join(folder, 'backups');
  for (const name of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const file = path.join(name.parentPath, name.name);
    objects.objects.set(path.relative(root, file), { body: readFileSync(file), etag: name.name });
  }
  return { ids: ran.stdout.trim().split('\n'), objects };
}

for (const algorithm of ['zlib', 'bz2']) {
  t.test(`full and incremental backups, ${algorithm}`, { skip }, async (t) => {
    const volumes = states();
    const { ids, objects } = write(t, algorithm, volumes);
    const client = new MemoryClient(objects);
    t.same(
      (await listCinderBackups(client)).map(({ id }) => id),
      ids,
    );
    for (const [i, id] of ids.entries()) {
      const source = await openCinderBackup(client, id);
      t.equal(source.sizeBytes, SIZE_BYTES);
      t.ok(Buffer.from(await source.read(0, SIZE_BYTES)).equals(volumes[i] as Buffer), `backup ${i} as it was`);
      t.ok(Buffer.from(await source.read(126_251, 31)).equals((volumes[i] as Buffer).subarray(126_251, 126_282)));
      const extents = await source.allocated(0, SIZE_BYTES + 4096);
      t.equal(
        extents.reduce((sum, { length }) => sum + length, 0),
        SIZE_BYTES + 4096,
        'extents cover the range',
      );
      await source.close();
    }
    const victim = [...objects.objects.keys()].find((name) => name.endsWith(`${ids[0]}-00001`));
    const { body } = objects.objects.get(victim as string) as { body: Buffer };
    // Not the end: what fills up its last byte means nothing.
    const damaged = Buffer.from(body);
    const middle = damaged.length >> 1;
    damaged[middle] = (damaged[middle] as number) ^ 0xff;
    objects.objects.set(victim as string, { body: damaged, etag: 'x' });
    const source = await openCinderBackup(client, ids[0] as string);
    await t.rejects(source.read(0, 200 * UNIT), { code: 'UnreadableBackup' }, 'damage is found');
    await source.close();
    await t.rejects(openCinderBackup(client, 'nobody'), { code: 'NoSuchBackup' });
  });
}

t.test('metadata that cannot be', async (t) => {
  const good = {
    ...{ version: '1.0.0', backup_id: 'b', volume_id: 'v', backup_name: null, created_at: 'x', parent_id: null },
    objects: [{ 'p-00001': { offset: 0, length: 1, compression: 'none', md5: '0'.repeat(32) } }],
  };
  const parse = (value: unknown): CinderBackup => parseCinderMetadata('p_metadata', Buffer.from(JSON.stringify(value)));
  t.equal(parse(good).prefix, 'p');
  const piece = (change: object): unknown => ({
    ...good,
    objects: [{ p: { ...good.objects[0]?.['p-00001'], ...change } }],
  });
  const bad: unknown[] = [
    ...[null, [], 1, 'x', {}, { ...good, version: '2.0.0' }, { ...good, objects: {} }, { ...good, objects: [1] }],
    ...[{ ...good, backup_id: 1 }, piece({ offset: -1 }), piece({ length: 2 ** 40 }), piece({ md5: 'x' })],
    ...[piece({ compression: 'rot13' }), piece({ offset: 1.5 })],
  ];
  for (const value of bad) t.throws(() => parse(value), { code: 'UnreadableBackup' }, JSON.stringify(value));
  t.throws(() => parseCinderMetadata('p_metadata', Buffer.from('{')), { code: 'UnreadableBackup' });
  const loop = [parse({ ...good, backup_id: 'a', parent_id: 'b' }), parse({ ...good, backup_id: 'b', parent_id: 'a' })];
  t.throws(() => chainOf(loop, 'a'), { code: 'UnreadableBackup' }, 'a loop');
});

t.test('later pieces cover earlier ones, wherever they lie', async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.comment(`seed ${seed}`);
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % limit;
  };
  for (let round = 0; round < 200; round++) {
    const truth = new Array<string>(60).fill('');
    const chain: CinderBackup[] = [];
    for (let level = 0; level < 4; level++) {
      const pieces = [];
      for (let at = below(10); at < 60; at += 1 + below(12)) {
        const length = Math.min(60 - at, 1 + below(8));
        const object = `${level}.${at}`;
        truth.fill(object, at, at + length);
        pieces.push({ object, offset: at, length, compression: 'none', md5: '' } as const);
        at += length;
      }
      chain.push({ prefix: '', id: '', volume: '', name: '', createdAt: '', parent: undefined, pieces });
    }
    const got = new Array<string>(60).fill('');
    for (const { offset, length, piece } of layOver(chain)) got.fill(piece.object, offset, offset + length);
    t.same(got, truth);
  }
});
