// "needletail volume" against a started cluster: volumes, snapshots and restores with the system's own clients, and kill -9 of
// the cluster in the middle of an upload and of a fill.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { missing } from '../test/tools.ts';
import { bootFrom } from '../test/volumes/boot-sector.ts';
import { mustRun, runTool, sumOfUri, VolumeCluster } from '../test/volumes/cluster.ts';

t.setTimeout(170_000);
const skip =
  missing('qemu-storage-daemon') || missing('nbdcopy') || missing('fio') || missing('qemu-img') || missing('qemu-io');
const MIB = 2 ** 20;

interface Volume {
  readonly id: string;
  readonly status: string;
  readonly sizeBytes: number;
  readonly fill?: object;
  readonly attachments: readonly Attachment[];
}

interface Attachment {
  readonly attachmentId: string;
  readonly uri: string;
  readonly secretHex?: string;
}

interface Snapshot {
  readonly snapshot: string;
  readonly status: string;
  readonly name: string;
  readonly uploadedBytes: number;
  readonly scan: string;
}

/** The cluster, and its volume `disk` that is attached at `uri`. */
interface Bed {
  readonly cluster: VolumeCluster;
  readonly uri: string;
  readonly out: string;
}

const attach = (cluster: VolumeCluster, name: string, ...options: string[]): Promise<Attachment> =>
  cluster.json<Attachment>('attach', name, ...options);

const fio = (uri: string, more: readonly string[]): Promise<string> =>
  mustRun('fio', [
    ...['--name=w', '--ioengine=nbd', `--uri=${uri}`, '--verify=crc32c', '--do_verify=1', '--verify_state_save=0'],
    ...['--rw=randwrite', '--bs=64k', '--iodepth=8', '--size=16m', ...more],
  ]);

t.test('a cluster with volumes', { skip }, async (t) => {
  const cluster = new VolumeCluster(t);
  await cluster.start();
  await cluster.json('create', 'disk', '32M', '--chunk', '64K');
  const { uri } = await attach(cluster, 'disk');
  const held = await cluster.daemonFiles();
  t.ok(held.some((file) => file.endsWith('data.raw')));
  t.notOk(
    held.some((file) => file.endsWith('.mdb')),
    "a daemon keeps none of the cluster's own files open",
  );
  const bed: Bed = { cluster, uri, out: cluster.file('out.bin') };
  await t.test('clients write and verify, also while a snapshot is taken', (t) => snapshots(t, bed));
  await t.test('copies, backups, sizes and limits', (t) => copies(t, bed));
  await t.test('TCP with a key of its own', (t) => overTcp(t, bed));
  const noQemu = missing('qemu-system-x86_64');
  await t.test('a machine boots from vhost-user-blk, reads and writes', { skip: noQemu }, (t) => booted(t, bed));
  await t.test('kill -9 in the middle of a snapshot and of a fill', (t) => killed(t, bed));
  await t.test('one line and an exit code for what goes wrong', (t) => refusals(t, bed));
  await cluster.json('delete', 'half', '--force');
  await cluster.json('detach', 'disk');
  await cluster.json('delete', 'disk');
  for (const { snapshot } of await cluster.json<Snapshot[]>('snapshots'))
    await cluster.json('delete-snapshot', snapshot);
  t.same(await cluster.json('snapshots'), []);
  await cluster.stop();
});

async function snapshots(t: Test, { cluster, uri, out }: Bed): Promise<void> {
  await fio(uri, []);
  const writing = fio(uri, ['--randseed=2']);
  const first = await cluster.json<Snapshot>('snapshot', 'disk', '--name', 'first');
  t.match(first, { status: 'available', scan: 'full', name: 'first' });
  await writing;
  const served = await cluster.json<{ uri: string }>('export', 'first');
  const sum = await sumOfUri(served.uri, out);
  await cluster.json('unexport', 'first');
  await cluster.json('restore', 'first', 'again', '--wait');
  const again = await attach(cluster, 'again');
  t.equal(await sumOfUri(again.uri, out), sum, 'a restored volume is what the snapshot shows');
  await mustRun('qemu-io', ['-f', 'raw', '-c', 'write -P 9 0 64k', uri]);
  const second = await cluster.json<Snapshot>('snapshot', 'disk', '--name', 'second');
  t.equal(second.scan, 'changed');
  await cluster.json('detach', 'again');
  await cluster.json('delete', 'again');
}

async function copies(t: Test, { cluster, uri, out }: Bed): Promise<void> {
  const sum = await sumOfUri(uri, out);
  const copy = await cluster.json<Volume>('clone', 'disk', 'copy');
  await cluster.until('the copy is made', async () => {
    const { status } = await cluster.json<Volume>('show', copy.id);
    return status === 'creating' ? undefined : t.equal(status, 'available');
  });
  const backup = await cluster.json<Snapshot>('backup', 'disk', '--full', '--name', 'whole');
  t.match(backup, { status: 'available', scan: 'full' });
  const { uri: copied } = await attach(cluster, 'copy');
  t.equal(await sumOfUri(copied, out), sum);
  await cluster.json('delete', 'copy', '--force');
  t.equal((await cluster.json<Volume>('extend', 'disk', '48M')).sizeBytes, 48 * MIB);
  t.equal((await mustRun('nbdinfo', ['--size', uri])).trim(), String(48 * MIB));
  t.match(await cluster.json('limit', 'disk', '--iops', '5000'), { limits: { iopsTotal: 5000 } });
  await cluster.json('limit', 'disk');
}

async function killed(t: Test, { cluster, uri, out }: Bed): Promise<void> {
  const bytes = cluster.file('in.bin');
  writeFileSync(bytes, randomBytes(24 * MIB));
  await mustRun('qemu-io', ['-f', 'raw', '-c', `write -q -s ${bytes} 0 24M`, uri]);
  const sum = await sumOfUri(uri, out);
  const taken = await cluster.json<Snapshot>('snapshot', 'disk', '--name', 'third', '--no-wait');
  const restoring = await cluster.json<Volume>('restore', 'second', 'half');
  await cluster.kill();
  t.equal(await sumOfUri(uri, out), sum, 'volumes are served without their cluster');
  await mustRun('qemu-io', ['-f', 'raw', '-c', 'write -q -P 3 0 1M', uri]);
  await cluster.start();
  const snapshots = await cluster.until('nothing is under way', async () => {
    const found = await cluster.json<Snapshot[]>('snapshots');
    const volumes = await cluster.json<Volume[]>('list');
    return found.some(({ status }) => status === 'creating') || volumes.some(({ fill }) => fill) ? undefined : found;
  });
  t.equal(snapshots.find(({ snapshot }) => snapshot === taken.snapshot)?.status, 'available', 'it went on');
  const served = await cluster.json<{ uri: string }>('export', 'third');
  t.equal(await sumOfUri(served.uri, out), sum, 'and shows the moment it was taken at');
  await cluster.json('unexport', 'third');
  const second = await cluster.json<{ uri: string }>('export', 'second');
  const { uri: half } = await attach(cluster, restoring.id);
  t.equal(await sumOfUri(half, out), await sumOfUri(second.uri, cluster.file('second.bin')));
  t.match(await cluster.json('check', 'first'), { damaged: [] });
}

async function refusals(t: Test, { cluster }: Bed): Promise<void> {
  const own = await cluster.volumeProcess('show', 'nothing');
  t.match(own, { code: 1, stdout: '', stderr: 'needletail: there is no volume nothing\n' });
  const fails = async (code: number, line: RegExp, ...args: string[]): Promise<void> => {
    const told = await cluster.volume(...args);
    t.equal(told.code, code, args.join(' '));
    t.match(told.stderr, line);
    t.equal(told.stderr.trim().split('\n').length, code === 2 ? 2 : 1);
  };
  await fails(1, /^needletail: there is no volume nothing$/m, 'show', 'nothing');
  await fails(1, /^needletail: there is no snapshot nothing$/m, 'restore', 'nothing');
  await fails(1, /^needletail: volume \S+ has an attachment$/m, 'delete', 'disk');
  await fails(1, /cannot become smaller/, 'extend', 'disk', '16M');
  await fails(2, /512M, 10G or 1.5T/, 'create', 'x', 'large');
  t.match(await cluster.json('status'), { volumes: 2, attached: 2 });
}

async function booted(t: Test, { cluster }: Bed): Promise<void> {
  await cluster.json('create', 'boot', '16M');
  const { uri: disk } = await attach(cluster, 'boot');
  const { uri: socket } = await attach(cluster, 'boot', '--vhost-user', '--attachment', 'qemu');
  t.equal(await bootFrom({ socket: socket.replace(/^unix:/, ''), disk, folder: cluster.folder }), 'written');
  await cluster.json('delete', 'boot', '--force');
}

async function overTcp(t: Test, { cluster }: Bed): Promise<void> {
  const { uri, secretHex = '', attachmentId } = await attach(cluster, 'disk', '--tcp', '--attachment', 'remote');
  const folder = cluster.file('keys');
  mkdirSync(folder);
  writeFileSync(`${folder}/keys.psk`, `${attachmentId}:${secretHex}\n`);
  const withKeys = `${uri}?tls-psk-file=${folder}/keys.psk`;
  t.equal((await mustRun('nbdinfo', ['--size', withKeys])).trim(), String(48 * MIB));
  await mustRun('nbdcopy', [withKeys, cluster.file('tcp.bin')]);
  const { hostname, port, pathname } = new URL(uri.replace('nbds:', 'http:'));
  const options = [
    ...['--object', `tls-creds-psk,id=tls,dir=${folder},endpoint=client,username=${attachmentId}`, '--image-opts'],
    `driver=nbd,server.type=inet,server.host=${hostname},server.port=${port},export=${pathname.slice(1)},tls-creds=tls`,
  ];
  t.match(await mustRun('qemu-img', ['info', ...options]), '48 MiB');
  writeFileSync(`${folder}/keys.psk`, `${attachmentId}:${'0'.repeat(64)}\n`);
  t.not((await runTool('nbdinfo', ['--size', withKeys])).code, 0, 'another key opens nothing');
  t.not((await runTool('nbdinfo', ['--size', withKeys.replace('nbds:', 'nbd:')])).code, 0, 'nor no key');
  await cluster.json('detach', 'disk', 'remote');
}
