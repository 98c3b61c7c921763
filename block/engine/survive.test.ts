// Daemons and agents that die: clients ride it out, the next agent finds what runs, nothing is made up.
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { QemuClient } from '../../test/qemu-client.ts';
import { BLOCK, MIB, missingEngine, parseUnixUri, VolumeBed } from '../../test/volume-bed.ts';
import { systemProcesses } from '../host/processes.ts';
import { engineFaults } from './contract.ts';

t.setTimeout(60_000);
const skip = missingEngine;

t.test(
  'the daemon is killed three times under two writing clients: no error, every byte there',
  { skip },
  async (t) => {
    const bed = await VolumeBed.for(t);
    const ours = await bed.attached('v1', 32 * MIB);
    const { uri } = await bed.engine.attach('v1', { attachmentId: 'qemu', transport: 'unix' });
    const qemu = await QemuClient.open(t, parseUnixUri(uri));
    let stop = false;
    let qemuWrites = 0;
    let ourWrites = 0;
    const writing = Promise.all([
      (async () => {
        for (; !stop; qemuWrites++)
          await qemu.command(`write -q -P ${(qemuWrites % 250) + 1} ${(qemuWrites % 256) * 64}k 64k`);
      })(),
      (async () => {
        for (; !stop; ourWrites++)
          await ours.write(16 * MIB + (ourWrites % 256) * 65536, Buffer.alloc(65536, (ourWrites % 250) + 1));
      })(),
    ]);
    for (let kill = 1; kill <= 3; kill++) {
      const before = [qemuWrites, ourWrites];
      await bed.until('both write', () => qemuWrites > (before[0] ?? 0) + 20 && ourWrites > (before[1] ?? 0) + 20);
      await bed.killDaemon('v1');
      await bed.until('back', async () => (await bed.engine.status('v1')).restarts === kill);
    }
    const before = [qemuWrites, ourWrites];
    await bed.until('both write again', () => qemuWrites > (before[0] ?? 0) + 5 && ourWrites > (before[1] ?? 0) + 5);
    stop = true;
    await writing;
    for (let i = Math.max(0, qemuWrites - 256); i < qemuWrites; i++)
      await qemu.command(`read -q -P ${(i % 250) + 1} ${(i % 256) * 64}k 64k`);
    for (let i = Math.max(0, ourWrites - 256); i < ourWrites; i++) {
      const read = await ours.read(16 * MIB + (i % 256) * 65536, 65536);
      if (!read.equals(Buffer.alloc(65536, (i % 250) + 1))) t.fail(`write ${i} is lost`);
    }
    t.match(await bed.engine.status('v1'), { restarts: 3, running: true });
  },
);

t.test('the agent goes and comes back: same daemon, same sockets, same snapshot', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const guest = await bed.attached('v1', 8 * MIB);
  await guest.write(0, Buffer.alloc(BLOCK, 1));
  const { daemonPid } = await bed.engine.status('v1');
  const snapshot = await bed.engine.beginSnapshot('v1', { snapshotId: 's1' });
  await bed.dropAgent();
  await guest.write(0, Buffer.alloc(BLOCK, 2));
  await bed.startAgent();
  t.match(await bed.engine.adopt(bed.place('v1')), { daemonPid, restarts: 0, snapshot: { state: 'open' } });
  t.same(await bed.engine.beginSnapshot('v1', { snapshotId: 's1' }), snapshot);
  const past = await bed.client(snapshot.exportUri);
  t.ok((await past.read(0, BLOCK)).equals(Buffer.alloc(BLOCK, 1)));
  await past.close();
  t.same(await bed.engine.endSnapshot('v1', { snapshotId: 's1', keep: true }), { baseKept: true });
  await bed.killDaemon('v1');
  await bed.until('back', () => bed.seen('daemon-back'));
  t.ok((await guest.read(0, BLOCK)).equals(Buffer.alloc(BLOCK, 2)));
});

t.test(
  'both die: the next agent starts the daemon again; a foreign process with its pid is left alone',
  { skip },
  async (t) => {
    const bed = await VolumeBed.for(t);
    const guest = await bed.attached('v1', 8 * MIB);
    await guest.write(0, Buffer.alloc(BLOCK, 1));
    const { daemonPid = 0 } = await bed.engine.status('v1');
    const mark = await systemProcesses.find(daemonPid, bed.runtimeDir);
    t.ok(mark);
    await bed.dropAgent();
    process.kill(daemonPid, 'SIGKILL');
    await bed.until('dead', async () => mark !== undefined && !(await systemProcesses.isAlive(mark)));
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    t.teardown(() => stranger.kill('SIGKILL'));
    const pidFile = readdirSync(bed.runtimeDir).find((name) => name.endsWith('.pid')) ?? '';
    if (pidFile !== '') writeFileSync(`${bed.runtimeDir}/${pidFile}`, `${stranger.pid}\n`);
    await bed.startAgent();
    const status = await bed.engine.adopt(bed.place('v1'));
    t.match(status, { running: true });
    t.not(status.daemonPid, stranger.pid);
    t.equal(stranger.exitCode ?? stranger.signalCode, null);
    t.ok((await guest.read(0, BLOCK)).equals(Buffer.alloc(BLOCK, 1)));
  },
);

t.test('an agent killed in the middle of its work leaves volumes that the next one adopts', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const script = fileURLToPath(new URL('../../test/volume-agent.js', import.meta.url));
  await bed.engine.create({ ...bed.place('v1'), sizeBytes: 8 * MIB });
  const { uri } = await bed.engine.attach('v1', { attachmentId: 'guest', transport: 'unix' });
  const guest = await bed.client(uri);
  for (let round = 1; round <= 4; round++) {
    await bed.dropAgent();
    const child = spawn(process.execPath, [script, bed.nbd.folder, bed.place('v1').dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    // The child takes and ends snapshots without end; it dies somewhere in that.
    const ready = new Promise((resolve) => child.stdout.once('data', () => resolve('ready')));
    t.equal(await Promise.race([ready, gone]), 'ready');
    await new Promise((resolve) => setTimeout(resolve, 40 * round));
    child.kill('SIGKILL');
    await gone;
    await guest.write(0, Buffer.alloc(BLOCK, round));
    await bed.startAgent();
    const status = await bed.engine.adopt(bed.place('v1'));
    t.match(status, { running: true, phase: 'ready' }, JSON.stringify(status));
    if (status.snapshot.snapshotId !== undefined)
      await bed.engine.endSnapshot('v1', { snapshotId: status.snapshot.snapshotId, keep: false });
    const { exportUri } = await bed.engine.beginSnapshot('v1', { snapshotId: `after-${round}` });
    const past = await bed.client(exportUri);
    t.ok((await past.read(0, BLOCK)).equals(Buffer.alloc(BLOCK, round)));
    await past.close();
    await bed.engine.endSnapshot('v1', { snapshotId: `after-${round}`, keep: true });
  }
  await bed.engine.detach('v1', 'guest');
  await bed.engine.close('v1');
});

t.test('a damaged state file is refused', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  await bed.engine.create({ ...bed.place('v1'), sizeBytes: MIB });
  await bed.dropAgent();
  writeFileSync(`${bed.place('v1').dir}/volume.state`, 'needletail-vol 1 0000000000000000\n{}\n');
  await bed.startAgent();
  await t.rejects(bed.engine.adopt(bed.place('v1')), { code: engineFaults.badState });
});
