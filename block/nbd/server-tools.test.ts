// The system's own clients against our server.
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { missing } from '../../test/tools.ts';
import { openFileDevice } from './file-device.ts';
import { MemoryDevice } from './memory-device.ts';

t.setTimeout(60_000);
const MIB = 1024 * 1024;

t.test('nbdinfo reads the export, its list and the map of a tebibyte', { skip: missing('nbdinfo') }, async (t) => {
  const bed = NbdBed.for(t);
  const device = new MemoryDevice(2 ** 40);
  await device.write(2 ** 39, [Buffer.alloc(65536, 1)]);
  const server = await bed.serve({ vol: device, other: new MemoryDevice(MIB, { readOnly: true }) });
  const info = JSON.parse(await bed.must('nbdinfo', '--json', bed.uri(server, 'vol')));
  t.match(info, { protocol: 'newstyle-fixed', structured: true });
  t.match(info.exports[0], { 'export-size': 2 ** 40, is_read_only: false, can_multi_conn: true, can_df: true });
  const list = JSON.parse(await bed.must('nbdinfo', '--json', '--list', bed.uri(server)));
  t.same(
    list.exports.map((one: { 'export-name': string }) => one['export-name']),
    ['vol', 'other'],
  );
  const map = JSON.parse(await bed.must('nbdinfo', '--json', '--map', bed.uri(server, 'vol')));
  t.match(map, [
    { offset: 0, length: 2 ** 39, type: 3 },
    { offset: 2 ** 39, length: 65536, type: 0 },
    { offset: 2 ** 39 + 65536, length: 2 ** 39 - 65536, type: 3 },
  ]);
});

t.test('nbdcopy there and back, holes stay holes', { skip: missing('nbdcopy') }, async (t) => {
  const bed = NbdBed.for(t);
  const source = bed.file('source');
  const bytes = systemRandom.bytes(5 * MIB);
  const whole = Buffer.alloc(64 * MIB);
  bytes.copy(whole, 0);
  bytes.copy(whole, 20 * MIB + 4096);
  writeFileSync(source, whole);
  const device = new MemoryDevice(64 * MIB);
  const server = await bed.serve({ '': device });
  await bed.must('nbdcopy', '--destination-is-zero', source, bed.uri(server));
  t.ok(device.pageCount < 200, `${device.pageCount} pages hold 10 MiB`);
  await bed.must('nbdcopy', bed.uri(server), bed.file('back'));
  t.ok(readFileSync(bed.file('back')).equals(whole));
});

t.test('qemu-img and qemu-io', { skip: missing('qemu-img') || missing('qemu-io') }, async (t) => {
  const bed = NbdBed.for(t);
  const device = new MemoryDevice(32 * MIB);
  const server = await bed.serve({ vol: device });
  const uri = bed.uri(server, 'vol');
  const raw = bed.file('raw');
  writeFileSync(raw, Buffer.concat([systemRandom.bytes(3 * MIB), Buffer.alloc(29 * MIB)]));
  await bed.must('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', raw, uri);
  await bed.must('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, uri);
  await bed.must('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', uri, bed.file('copy.qcow2'));
  await bed.must('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', bed.file('copy.qcow2'), uri);
  const map = JSON.parse(await bed.must('qemu-img', 'map', '--output=json', '-f', 'raw', uri));
  t.match(map, [
    { start: 0, length: 3 * MIB, data: true },
    { start: 3 * MIB, length: 29 * MIB, zero: true, data: false },
  ]);
  const steps = ['write -P 7 8M 1M', 'write -f -P 8 9M 4k', 'read -P 7 8M 1M', 'read -P 8 9M 4k', 'write -z 8M 512k'];
  const more = ['read -P 0 8M 512k', 'read -P 7 8704k 512k', 'discard 8M 2M', 'read -P 0 8M 2M', 'flush'];
  const io = await bed.run('qemu-io', '-f', 'raw', ...[...steps, ...more].flatMap((step) => ['-c', step]), uri);
  t.equal(io.code, 0, io.stderr);
  t.notMatch(io.stdout, /failed|error/i);
  const beyond = await bed.run('qemu-io', '-f', 'raw', '-c', 'write 32M 4k', uri);
  t.not(beyond.code, 0, 'no write beyond the end');
  t.same(bed.reports, []);
});

const verifying = ['--name=v', '--ioengine=nbd', '--rw=randwrite', '--bs=4k', '--iodepth=16', '--size=16m'];

t.test('fio verifies what it wrote', { skip: missing('fio') }, async (t) => {
  const bed = NbdBed.for(t);
  const path = bed.file('disk');
  const fd = openSync(path, 'w');
  ftruncateSync(fd, 64 * MIB);
  closeSync(fd);
  const memory = new MemoryDevice(64 * MIB);
  const open = (name: string) =>
    name === 'mem' ? memory : openFileDevice({ disk: systemDisk, path, sizeBytes: 64 * MIB });
  const server = await bed.serve({}, { exports: { names: () => [], open } });
  for (const name of ['mem', 'file']) {
    const uri = `--uri=${bed.uri(server, name)}`;
    const ran = await bed.run('fio', ...verifying, uri, '--verify=crc32c', '--do_verify=1', '--output-format=json');
    t.equal(ran.code, 0, `${name}: ${ran.stderr}`);
    // It talks of its connection before the report.
    t.match(JSON.parse(ran.stdout.slice(ran.stdout.indexOf('{'))).jobs[0], { error: 0, read: { total_ios: 4096 } });
  }
});
