/** A host's volumes with the real storage daemon: snapshots while clients write, restores, copies, restarts at bad moments. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { systemNet } from '../../fabric/net.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { MemoryClient, type MemoryClientOptions, MemoryObjects } from '../../test/repository/memory-objects.ts';
import { missing } from '../../test/tools.ts';
import { systemFiles } from '../host/files.ts';
import { systemProcesses } from '../host/processes.ts';
import type { SnapshotView, VolumeView } from './contract.ts';
import { type RunningVolumes, startVolumes } from './start-volumes.ts';

t.setTimeout(120_000);
const run = promisify(execFile);
const skip = missing('qemu-storage-daemon') || missing('nbdcopy') || missing('qemu-io');
const MIB = 2 ** 20;
const WAIT_MS = 30_000;

interface Host {
  readonly volumes: RunningVolumes;
  daemonPid(id: string): Promise<number | undefined>;
  readonly folder: string;
  /** Stops and starts again, as a new process would; snapshots in work are left as they are. */
  restart(): Promise<Host>;
}

async function startHost(t: Test, options: MemoryClientOptions = {}): Promise<Host> {
  const objects = new MemoryObjects();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nt-vol-'));
  const hosts: RunningVolumes[] = [];
  const open = async (): Promise<Host> => {
    const volumes = await startVolumes(
      {
        ...{ host: 'h1', directory: path.join(folder, 'volumes'), runtimeDir: path.join(folder, 'run') },
        ...{ command: 'qemu-storage-daemon', fronts: { host: '127.0.0.1', firstPort: 0, lastPort: 0 } },
        ...{ openStore: async () => new MemoryClient(objects, options), unfit: () => undefined, threads: 1 },
        openContainer: () => new MemoryClient(objects),
      },
      {
        ...{ clock: systemClock, random: systemRandom, disk: systemDisk, net: systemNet },
        ...{ files: systemFiles, processes: systemProcesses, log: { warn: () => {}, error: console.error } },
      },
    );
    hosts.push(volumes);
    const restart = async (): Promise<Host> => {
      await volumes.stop();
      hosts.splice(hosts.indexOf(volumes), 1);
      return open();
    };
    const daemonPid = async (id: string): Promise<number | undefined> => (await volumes.engine.status(id)).daemonPid;
    return { volumes, daemonPid, folder, restart };
  };
  t.teardown(async () => {
    for (const { manager, stop } of hosts) {
      for (const { id } of (await manager.volumes()).volumes) await manager.deleteVolume(id, true);
      await stop();
    }
    rmSync(folder, { recursive: true, force: true });
  });
  return open();
}

async function makeVolume({ volumes }: Host, sizeBytes: number): Promise<VolumeView> {
  return volumes.manager.createVolume({ id: randomUUID(), sizeBytes, chunkBytes: 64 * 1024 });
}

/** Attached for the time of `use`. */
async function attached<T>({ volumes }: Host, id: string, use: (uri: string) => Promise<T>): Promise<T> {
  const { uri, attachmentId } = await volumes.manager.attachVolume({ id, attachment: randomUUID(), transport: 'unix' });
  try {
    return await use(uri);
  } finally {
    await volumes.manager.detachVolume(id, attachmentId);
  }
}

async function writeAt(
  host: Host,
  id: string,
  writes: readonly (readonly [offset: number, bytes: Buffer])[],
): Promise<void> {
  const file = path.join(host.folder, 'in.bin');
  await attached(host, id, async (uri) => {
    for (const [offset, bytes] of writes) {
      writeFileSync(file, bytes);
      await run('qemu-io', ['-f', 'raw', '-c', `write -q -s ${file} ${offset} ${bytes.length}`, uri]);
    }
  });
}

async function sumOfUri(host: Host, uri: string): Promise<string> {
  const file = path.join(host.folder, 'out.bin');
  await run('nbdcopy', [uri, file]);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  rmSync(file);
  return hash.digest('hex');
}

const sumOf = (host: Host, id: string): Promise<string> => attached(host, id, (uri) => sumOfUri(host, uri));

async function snapshotOf({ volumes }: Host, volume: string, more: object = {}): Promise<SnapshotView> {
  const taken = await volumes.manager.takeSnapshot({ volume, snapshot: randomUUID(), ...more });
  return until('the snapshot is stored', async () => {
    const now = await volumes.manager.snapshots.show(taken);
    if (now.status === 'error') throw new Error(now.error);
    return now.status === 'available' ? now : undefined;
  });
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > endMs) throw new Error(`waited too long until ${what}`);
    await systemClock.sleep(20);
  }
}

const filled = (host: Host, id: string): Promise<true> =>
  until('the volume is filled', async () => ((await host.volumes.manager.volume(id)).fill ? undefined : true));

t.test('snapshots are incremental to take and independent to restore or delete', { skip }, async (t) => {
  const host = await startHost(t);
  const { manager } = host.volumes;
  const { id } = await makeVolume(host, 32 * MIB);
  t.equal((await manager.volume(id)).allocatedBytes, 0, 'nothing is there before the first attach');
  const empty = await snapshotOf(host, id);
  const bytes = randomBytes(4 * MIB);
  await writeAt(host, id, [[0, bytes]]);
  const first = await snapshotOf(host, id);
  const firstSum = await sumOf(host, id);
  await writeAt(host, id, [
    [MIB, randomBytes(64 * 1024)],
    [20 * MIB, randomBytes(128 * 1024)],
  ]);
  const second = await snapshotOf(host, id);
  const secondSum = await sumOf(host, id);
  t.equal(second.scan, 'changed');
  t.ok(second.uploadedBytes < 300 * 1024, `uploaded what changed: ${second.uploadedBytes}`);
  t.not(firstSum, secondSum);
  t.equal((await manager.snapshots.list({ volume: id })).snapshots.length, 3);

  const restored = await manager.createVolume({ id: randomUUID(), sizeBytes: 40 * MIB, source: { snapshot: first } });
  t.equal(await attached(host, restored.id, (uri) => head(host, uri, 32 * MIB)), firstSum, 'it serves at once');
  await filled(host, restored.id);
  t.equal(await attached(host, restored.id, (uri) => head(host, uri, 32 * MIB)), firstSum, 'and stands on its own');

  const { uri } = await manager.snapshots.export(second);
  t.equal(await sumOfUri(host, uri), secondSum, 'straight from the object store');
  await manager.snapshots.unexport(second);

  await manager.snapshots.delete(first);
  await t.rejects(manager.snapshots.show(first), { code: 'NoSuchSnapshot' });
  t.same(await manager.snapshots.check(second), { ...(await manager.snapshots.check(second)), damaged: [] });

  await manager.snapshots.delete(second);
  await writeAt(host, id, [[8 * MIB, randomBytes(64 * 1024)]]);
  const third = await snapshotOf(host, id);
  const thirdSum = await sumOf(host, id);
  t.equal(third.scan, 'changed', 'the deleted base was replaced by the older one');
  await manager.revertVolume(id, empty);
  t.equal(
    await sumOf(host, id),
    createHash('sha256')
      .update(Buffer.alloc(32 * MIB))
      .digest('hex'),
    'back to nothing',
  );
  await filled(host, id);
  await manager.revertVolume(id, third);
  t.equal(await sumOf(host, id), thirdSum, 'and forward');
});

/** Of the first bytes. */
async function head(host: Host, uri: string, bytes: number): Promise<string> {
  const file = path.join(host.folder, 'head.bin');
  await run('qemu-img', ['dd', '-f', 'raw', '-O', 'raw', 'bs=1M', `count=${bytes / MIB}`, `if=${uri}`, `of=${file}`]);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  rmSync(file);
  return hash.digest('hex');
}

t.test('copies, sizes, limits and what is refused', { skip }, async (t) => {
  const host = await startHost(t);
  const { manager } = host.volumes;
  const { id } = await makeVolume(host, 16 * MIB);
  await writeAt(host, id, [[0, randomBytes(MIB)]]);
  const sum = await sumOf(host, id);
  const copy = await manager.createVolume({ id: randomUUID(), sizeBytes: 16 * MIB, source: { volume: id } });
  await until('it is copied', async () => ((await manager.volume(copy.id)).status === 'available' ? true : undefined));
  t.equal(await sumOf(host, copy.id), sum);
  t.equal((await manager.createVolume({ id, sizeBytes: 16 * MIB })).id, id, 'again is the same');
  t.equal((await manager.extendVolume(id, 24 * MIB)).sizeBytes, 24 * MIB);
  t.same((await manager.limitVolume(id, { iopsTotal: 500 })).limits, { iopsTotal: 500 });
  await t.rejects(manager.extendVolume(id, 16 * MIB), { code: 'BadVolumeRequest' });
  await t.rejects(manager.createVolume({ id: 'x', sizeBytes: 100 }), { code: 'BadVolumeRequest' });
  await t.rejects(manager.createVolume({ id: '../x', sizeBytes: MIB }), { code: 'BadVolumeRequest' });
  await t.rejects(manager.createVolume({ id: 'x', sizeBytes: MIB, chunkBytes: 1000 }), { code: 'BadVolumeRequest' });
  const nowhere = { lineage: 'no', snapshot: 'no' };
  await t.rejects(manager.createVolume({ id: 'x', sizeBytes: MIB, source: { snapshot: nowhere } }));
  t.notOk(
    (await manager.volumes()).volumes.some((one) => one.id === 'x'),
    'nothing is left of what was refused',
  );
  await t.rejects(manager.volume('nobody'), { code: 'NoSuchVolume' });
  await attached(host, id, async () => {
    await t.rejects(manager.deleteVolume(id, false), { code: 'VolumeBusy' });
    t.equal((await manager.volume(id)).status, 'in-use');
  });
  await manager.deleteVolume(id, false);
  await manager.deleteVolume(id, false);
  await t.rejects(manager.volume(id), { code: 'NoSuchVolume' });
});

t.test('an agent that dies in the middle is followed by one that goes on', { skip }, async (t) => {
  const host = await startHost(t);
  const { id } = await makeVolume(host, 16 * MIB);
  await writeAt(host, id, [[0, randomBytes(8 * MIB)]]);
  const taken = await host.volumes.manager.takeSnapshot({ volume: id, snapshot: randomUUID() });
  host.volumes.manager.snapshots.pause(taken, true).catch(() => {});
  const after = await host.restart();
  await writeAt(after, id, [[0, randomBytes(MIB)]]);
  const stored = await until('the snapshot is stored', async () => {
    const now = await after.volumes.manager.snapshots.show(taken);
    return now.status === 'available' ? now : undefined;
  });
  t.equal((await after.volumes.manager.snapshots.check(stored)).damaged.length, 0);
  const restored = await after.volumes.manager.createVolume({
    ...{ id: randomUUID(), sizeBytes: 16 * MIB, source: { snapshot: stored } },
  });
  const again = await after.restart();
  await filled(again, restored.id);
  t.not(await sumOf(again, restored.id), await sumOf(again, id), 'the moment is the one that was taken');
  t.equal((await again.volumes.manager.volumes()).volumes.length, 2);
});

t.test('a daemon that dies loses the snapshot, never tears it', { skip }, async (t) => {
  const slow: { wait?: Promise<void> } = {};
  const wait = async (operation: string): Promise<void> => (operation === 'put' ? slow.wait : undefined);
  const host = await startHost(t, { wait });
  const { manager } = host.volumes;
  const { id } = await makeVolume(host, 16 * MIB);
  await writeAt(host, id, [[0, randomBytes(8 * MIB)]]);
  await snapshotOf(host, id);
  const { uri } = await manager.attachVolume({ id, attachment: 'a', transport: 'unix' });
  let goOn = (): void => {};
  slow.wait = new Promise((resolve) => {
    goOn = resolve;
  });
  const place = await manager.takeSnapshot({ volume: id, snapshot: 'torn' });
  t.equal(place.status, 'creating', 'the moment is taken, nothing can be stored');
  const pid = await host.daemonPid(id);
  if (pid === undefined) throw new Error('no daemon');
  process.kill(pid, 'SIGKILL');
  await until('the daemon is back', async () => ((await host.daemonPid(id)) === pid ? undefined : true));
  goOn();
  const ended = await until('it is known', async () => {
    const now = await manager.snapshots.show(place).catch(() => undefined);
    return now?.status === 'creating' ? undefined : (now?.status ?? 'gone');
  });
  t.equal(ended, 'error');
  await manager.snapshots.delete(place);
  slow.wait = Promise.resolve();
  await run('qemu-io', ['-f', 'raw', '-c', 'write -q -P 7 0 64k', uri]);
  const next = await snapshotOf(host, id);
  t.equal(next.scan, 'full', 'the bitmap died too: everything is read');
  t.ok(next.uploadedBytes < 2 * MIB, `and what is stored is found again: ${next.uploadedBytes}`);
  await manager.detachVolume(id, 'a');
});
