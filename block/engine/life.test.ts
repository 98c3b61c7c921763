// The life of a volume, with real daemons: lazy files, attachments of every kind, limits, growth, end.
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QemuClient } from '../../test/qemu-client.ts';
import { BLOCK, MIB, missingEngine, parseUnixUri, VolumeBed } from '../../test/volume-bed.ts';
import { nbdFaults } from '../nbd/contract.ts';
import { engineFaults } from './contract.ts';

t.setTimeout(60_000);
const skip = missingEngine;

t.test('from nothing to nothing', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const { engine } = bed;
  const place = bed.place('v1');
  await engine.create({ ...place, sizeBytes: 16 * MIB });
  t.match(await engine.status('v1'), { phase: 'lazy', running: false, allocatedBytes: 0, sizeBytes: 16 * MIB });
  t.same(readdirSync(place.dir), ['volume.state'], 'no file before the first attachment');
  await t.rejects(engine.create({ ...place, sizeBytes: MIB }), { code: engineFaults.exists });
  await t.rejects(engine.create({ ...bed.place('v2'), sizeBytes: 1000 }), { code: engineFaults.badRequest });
  await engine.resize('v1', 24 * MIB);

  const attachment = await engine.attach('v1', { attachmentId: 'guest', transport: 'unix' });
  t.equal(attachment.sizeBytes, 24 * MIB);
  t.same(await engine.attach('v1', { attachmentId: 'guest', transport: 'unix' }), attachment, 'twice is once');
  const guest = await bed.client(attachment.uri);
  await guest.write(MIB, Buffer.alloc(4 * MIB, 7));
  await guest.trim(2 * MIB, MIB);
  t.ok((await guest.read(2 * MIB, MIB)).equals(Buffer.alloc(MIB)));
  t.equal(statSync(bed.data('v1')).blocks * 512, 3 * MIB, 'sparse, and what was discarded is free again');
  await t.rejects(engine.close('v1'), { code: engineFaults.attached });
  await t.rejects(engine.remove('v1'), { code: engineFaults.attached });

  await engine.detach('v1', 'guest');
  await t.rejects(bed.client(attachment.uri, { reconnectMs: 0 }), { code: nbdFaults.refused });
  await engine.close('v1');
  t.match(await engine.status('v1'), { running: false, phase: 'ready' });
  t.same(readdirSync(bed.runtimeDir), [], 'no socket and no daemon is left');
  const again = await engine.attach('v1', { attachmentId: 'again', transport: 'unix', readOnly: true });
  const reader = await bed.client(again.uri);
  t.ok((await reader.read(MIB, MIB)).equals(Buffer.alloc(MIB, 7)));
  await engine.detach('v1', 'again');
  await engine.remove('v1');
  t.notOk(existsSync(place.dir));
  t.same(readdirSync(bed.runtimeDir), []);
  await t.rejects(engine.status('v1'), { code: engineFaults.noVolume });
});

t.test('several attachments see one volume; a read-only one cannot write', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const writer = await bed.attached('v1', 8 * MIB);
  const other = await bed.client((await bed.engine.attach('v1', { attachmentId: 'other', transport: 'unix' })).uri, {
    connections: 4,
  });
  const shown = await bed.engine.attach('v1', { attachmentId: 'shown', transport: 'unix', readOnly: true });
  const reader = await bed.client(shown.uri);
  await writer.write(0, Buffer.alloc(BLOCK, 1));
  await other.write(BLOCK, Buffer.alloc(BLOCK, 2));
  t.ok((await reader.read(0, 2 * BLOCK)).equals(Buffer.concat([Buffer.alloc(BLOCK, 1), Buffer.alloc(BLOCK, 2)])));
  t.equal(reader.export.readOnly, true);
  await t.rejects(reader.write(0, Buffer.alloc(BLOCK)));
  const bus = await bed.engine.attach('v1', { attachmentId: 'bus', transport: 'vhost-user-blk' });
  t.ok(statSync(bus.uri.slice('unix:'.length)).isSocket());
  await bed.engine.detach('v1', 'bus');
  t.notOk(existsSync(bus.uri.slice('unix:'.length)));
});

t.test('growth under an attached client; limits that change at once', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  await bed.engine.create({ ...bed.place('v1'), sizeBytes: 4 * MIB });
  const attached = await bed.engine.attach('v1', { attachmentId: 'guest', transport: 'unix' });
  const guest = await QemuClient.open(t, parseUnixUri(attached.uri));
  await guest.command('write -P 9 0 1M');
  await t.rejects(bed.engine.resize('v1', 2 * MIB), { code: engineFaults.shrink });
  await bed.engine.resize('v1', 8 * MIB);
  await guest.command('read -P 9 0 1M');
  const { uri } = await bed.engine.attach('v1', { attachmentId: 'guest', transport: 'unix' });
  const grown = await bed.client(uri);
  t.equal(grown.export.sizeBytes, 8 * MIB);
  await grown.write(7 * MIB, Buffer.alloc(BLOCK, 3));

  await t.rejects(bed.engine.setLimits('v1', { iopsTotal: 1, iopsRead: 1 }), { code: engineFaults.badRequest });
  await bed.engine.setLimits('v1', { iopsTotal: 20 });
  const startedMs = performance.now();
  for (let i = 0; i < 25; i++) await grown.write(i * BLOCK, Buffer.alloc(BLOCK, i));
  t.ok(performance.now() - startedMs > 200, 'slower than the limit allows is not possible to fake');
  await bed.engine.setLimits('v1', {});
  t.same((await bed.engine.status('v1')).limits, {});
  for (let i = 0; i < 200; i++) await grown.write(i * BLOCK, Buffer.alloc(BLOCK, i));
});

t.test('TCP: TLS with a key for each attachment', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const guest = await bed.attached('v1', 4 * MIB);
  await guest.write(0, Buffer.alloc(BLOCK, 5));
  const far = await bed.engine.attach('v1', { attachmentId: 'far', transport: 'tcp' });
  const shown = await bed.engine.attach('v1', { attachmentId: 'shown', transport: 'tcp', readOnly: true });
  t.not(far.secretHex, shown.secretHex);
  const keyFile = (name: string): string => join(bed.nbd.folder, name);
  writeFileSync(keyFile('far'), `far:${far.secretHex}\n`);
  writeFileSync(keyFile('shown'), `shown:${shown.secretHex}\n`);
  const info = await bed.nbd.must('nbdinfo', '--json', `${far.uri}?tls-psk-file=${keyFile('far')}`);
  t.match(JSON.parse(info), { TLS: true, exports: [{ 'export-size': 4 * MIB, is_read_only: false }] });
  const readOnly = await bed.nbd.must('nbdinfo', '--json', `${shown.uri}?tls-psk-file=${keyFile('shown')}`);
  t.match(JSON.parse(readOnly), { exports: [{ is_read_only: true }] });
  const copy = bed.nbd.file('copy');
  await bed.nbd.must('nbdcopy', `${far.uri}?tls-psk-file=${keyFile('far')}`, copy);
  t.equal((await bed.nbd.run('cmp', copy, bed.data('v1'))).code, 0);
  const swapped = far.uri.replace('far@', 'shown@');
  t.not(
    (await bed.nbd.run('nbdinfo', `${swapped}?tls-psk-file=${keyFile('shown')}`)).code,
    0,
    'a key opens one export',
  );
  t.not((await bed.nbd.run('nbdinfo', far.uri.replace('nbds', 'nbd'))).code, 0, 'nothing without TLS');
  await bed.engine.detach('v1', 'far');
  t.not((await bed.nbd.run('nbdinfo', `${far.uri}?tls-psk-file=${keyFile('far')}`)).code, 0);
});
