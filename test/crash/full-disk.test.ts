/** A disk that fills up: 507 before anything breaks, reads and deletes go on, and room makes it well again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { Client } from './client.ts';
import { runFsck } from './fsck.ts';
import { rowsOf } from './load.ts';
import { untilQuiet } from './quiet.ts';
import { CrashServer } from './server.ts';

const SMALL = 'size=300m';
const LARGE = 'size=600m';
const BODY_BYTES = 1024 * 1024;
/** More than fit, three times each. */
const PUTS_MAX = 150;
const ROOM_LIMIT_MS = 30_000;
t.setTimeout(150_000);

const mountpoint = mkdtempSync(path.join(tmpdir(), 'needletail-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', SMALL, 'tmpfs', mountpoint], { stdio: 'ignore' });
const noMount = mounted.status === 0 ? false : 'a file system of a given size cannot be mounted here';
t.teardown(() => {
  if (!noMount) spawnSync('umount', ['-l', mountpoint], { stdio: 'ignore' });
  rmSync(mountpoint, { recursive: true, force: true });
});

t.test('507 in time', { skip: noMount }, async (t) => {
  const data = path.join(mountpoint, 'data');
  const server = new CrashServer({ directory: data, logFile: path.join(mountpoint, 'log'), processes: 'inline' });
  const client = new Client(data);
  t.teardown(async () => {
    client.close();
    await server.killAll();
  });
  await server.start();
  await client.login(server.url);
  await client.ask('PUT', '/c');
  const block = createSeededRandom(5).bytes(BODY_BYTES);
  const put = async (number: number): Promise<number> => {
    const body = Buffer.from(block);
    body.writeUInt32LE(number);
    return (await client.ask('PUT', `/c/${number}`, body)).status;
  };
  const stored: number[] = [];
  let refusal = 0;
  for (let i = 0; i < PUTS_MAX && refusal === 0; i++) {
    const status = await put(i);
    if (status === 201) stored.push(i);
    else refusal = status;
  }
  t.equal(refusal, 507, `after ${stored.length} MiB`);
  t.ok(stored.length > 20);
  t.match(await client.metrics(), /^needletail_device_state\{.*state="full"\} 1$/m, 'and the metrics say why');
  t.notMatch(await client.metrics(), /^needletail_device_state\{.*state="(out|read-only)"\} 1$/m, 'nothing broke');
  const whole = await Promise.all(
    stored.map(async (number) => {
      const { status, body } = await client.ask('GET', `/c/${number}`);
      return status === 200 && body.readUInt32LE() === number && body.subarray(4).equals(block.subarray(4));
    }),
  );
  t.ok(
    whole.every((one) => one),
    'what was acknowledged is there',
  );
  const listing = await client.ask('GET', '/c?format=json');
  t.equal(listing.status, 200);
  const listed = [...rowsOf('c', listing.body).keys()].map((name) => Number(name.slice('c/'.length)));
  // Devices fill up one after the other: the write that was refused may have reached some, and be finished later.
  const refused = stored.length;
  t.same(
    listed.filter((number) => number !== refused).sort((one, other) => one - other),
    stored,
    'and nothing else is listed',
  );
  t.equal((await client.ask('DELETE', '/c/0')).status, 204, 'room can be made');
  spawnSync('mount', ['-o', `remount,${LARGE}`, mountpoint]);
  const endMs = performance.now() + ROOM_LIMIT_MS;
  let status = 0;
  while (status !== 201 && performance.now() < endMs) {
    status = await put(PUTS_MAX);
    if (status !== 201) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  t.equal(status, 201, 'with room it takes writes again, without a restart');
  t.same(await untilQuiet(client, ROOM_LIMIT_MS), []);
  t.equal(await server.stop(), 0);
  const { exitCode, summary } = runFsck(data);
  t.equal(exitCode, 0, summary);
});
