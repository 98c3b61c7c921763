// The three file formats: what is written reads back the same, and damage or a foreign version is named, never used.
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { decodeAnyRing } from './any-ring-file.ts';
import { RingBuilder } from './builder.ts';
import { decodeBuilder, encodeBuilder } from './builder-file-format.ts';
import type { RingData } from './contract.ts';
import { decodeRing, encodeRing } from './ring-file-format.ts';
import { decodeSwiftRing } from './swift-ring-file-format.ts';

const badFile = { code: 'BadRingFile' };

function sampleBuilder(): RingBuilder {
  const builder = RingBuilder.create({ partPower: 5, replicas: 2.5, minPartHours: 3, overload: 0.1 });
  for (let zone = 0; zone < 6; zone++) {
    builder.addDevice({
      region: 1,
      zone,
      ip: `10.0.0.${zone}`,
      port: 6200,
      device: 'sda',
      weight: 1.5 + zone,
      meta: 'příklad',
    });
  }
  builder.rebalance({ nowMs: 1_700_000_000_000, random: createSeededRandom(3) });
  builder.removeDevice(2);
  builder.rebalance({ nowMs: 1_700_000_000_000, random: createSeededRandom(3) });
  builder.removeDevice(4);
  return builder;
}

t.test('our ring file', async (t) => {
  const data: RingData = { ...sampleBuilder().ringData(), nextPartPower: 6 };
  const file = encodeRing(data);
  t.same(decodeRing(file), data);
  t.same(decodeAnyRing(file), data);
  t.same(encodeRing(data), file, 'the same bytes every time');
  const raw = gunzipSync(file);
  for (let at = 0; at < raw.length; at += 7) {
    const damaged = Buffer.from(raw);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    t.throws(() => decodeRing(gzipSync(damaged)), badFile, `a bit flipped at ${at}`);
  }
  for (const length of [0, 5, 12, raw.length - 1]) {
    t.throws(() => decodeRing(gzipSync(raw.subarray(0, length))), badFile, `cut to ${length}`);
  }
  t.throws(() => decodeRing(file.subarray(0, 100)), badFile, 'a torn gzip');
  t.throws(() => decodeRing(Buffer.from('no gzip')), badFile);
  raw.writeUInt16BE(2, 4);
  t.throws(() => decodeRing(gzipSync(raw)), { ...badFile, message: /version is 2/ });
  t.throws(() => encodeRing({ ...data, table: [] }), badFile);
});

t.test('the builder file', async (t) => {
  const builder = sampleBuilder();
  const file = encodeBuilder(builder);
  const back = decodeBuilder(file);
  t.same(back.state, builder.state);
  t.same(encodeBuilder(back), file);
  const text = file.toString('utf8');
  t.throws(() => decodeBuilder(Buffer.from(text.replace('"weight":2.5', '"weight":9.5'))), badFile, 'edited by hand');
  t.throws(() => decodeBuilder(Buffer.from(text.replace('"formatVersion":1', '"formatVersion":9'))), /version is 9/);
  t.throws(() => decodeBuilder(file.subarray(0, 400)), badFile);
  t.throws(() => decodeBuilder(Buffer.from('{}')), badFile);
  const random = () => createSeededRandom(8);
  const nowMs = 1_800_000_000_000;
  t.same(
    back.rebalance({ nowMs, random: random() }),
    builder.rebalance({ nowMs, random: random() }),
    'and goes on alike',
  );
});

// Swift's own rings are read in swift.test.ts. What Debian's Swift does not write is made here by the formats' drawings.
const swiftDevices = [
  { id: 0, region: 1, zone: 1, weight: 1.0, ip: '10.0.0.1', port: 6200, device: 'a', meta: '' },
  null,
  {
    id: 2,
    zone: 2,
    weight: 2.0,
    ip: '10.0.0.2',
    port: 6200,
    device: 'b',
    replication_ip: '10.1.0.2',
    replication_port: 1,
  },
];
const swiftRows = [
  [0, 2, 0, 2],
  [2, 0],
];

function checkSwift(t: { same(a: unknown, b: unknown): unknown }, data: RingData): void {
  t.same(
    data.table.map((row) => [...row]),
    swiftRows,
  );
  t.same([data.partPower, data.version, data.nextPartPower], [2, 12, 3]);
  const [first, hole, second] = data.devices;
  t.same([first?.replicationIp, first?.replicationPort, hole], ['10.0.0.1', 6200, null]);
  t.same([second?.region, second?.replicationIp, second?.replicationPort, second?.meta], [1, '10.1.0.2', 1, '']);
}

function swift1(byteorder: 'big' | 'little', change: Record<string, unknown> = {}): Buffer {
  const metadata = { part_shift: 30, replica_count: 2, version: 12, next_part_power: 3, byteorder, devs: swiftDevices };
  const json = Buffer.from(JSON.stringify({ ...metadata, ...change }));
  const head = Buffer.from('R1NG\0\x01\0\0\0\0', 'latin1');
  head.writeUInt32BE(json.length, 6);
  const table = Buffer.from(Uint16Array.from(swiftRows.flat()).buffer);
  return gzipSync(Buffer.concat([head, json, byteorder === 'big' ? table.swap16() : table]));
}

function swift2(idBytes: number, { checksum = true, firstId = 0n } = {}): Buffer {
  const ids = Buffer.alloc(swiftRows.flat().length * 8);
  swiftRows.flat().forEach((id, i) => void ids.writeBigUInt64BE(i === 0 ? firstId : BigInt(id), i * 8));
  const narrow = Buffer.concat(swiftRows.flat().map((_, i) => ids.subarray(i * 8 + 8 - idBytes, i * 8 + 8)));
  const metadata = { part_shift: 30, dev_id_bytes: idBytes, version: 12, next_part_power: 3 };
  const sections: [string, Buffer][] = [
    ['swift/ring/metadata', Buffer.from(JSON.stringify(metadata))],
    ['swift/ring/devices', Buffer.from(JSON.stringify(swiftDevices))],
    ['swift/ring/assignments', narrow],
  ];
  let raw = Buffer.from('R1NG\0\x02', 'latin1');
  const index: Record<string, unknown> = {};
  for (const [name, data] of sections) {
    const blob = withLength(data);
    const sha256 = createHash('sha256').update(blob).digest('hex');
    const sum = checksum ? sha256 : sha256.replaceAll(/./g, '0');
    index[name] = [0, raw.length, 0, raw.length + blob.length, 'sha256', sum];
    raw = Buffer.concat([raw, blob]);
  }
  const tail = Buffer.alloc(16);
  tail.writeBigUInt64BE(BigInt(raw.length));
  return gzipSync(Buffer.concat([raw, withLength(Buffer.from(JSON.stringify(index))), tail]));
}

function withLength(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(data.length));
  return Buffer.concat([length, data]);
}

t.test("Swift's format 1 in both byte orders", async (t) => {
  for (const order of ['big', 'little'] as const) checkSwift(t, decodeSwiftRing(swift1(order)));
  checkSwift(t, decodeAnyRing(swift1('big')));
  t.throws(() => decodeSwiftRing(swift1('big', { replica_count: 3 })), badFile);
  t.throws(() => decodeSwiftRing(swift1('big', { part_shift: 2 })), badFile, 'a part power beyond ours');
  t.throws(() => decodeSwiftRing(swift1('big', { devs: swiftDevices.slice(0, 1) })), badFile, 'an unknown device');
  t.throws(() => decodeSwiftRing(swift1('big', { devs: [{ id: 0 }] })), badFile);
  const raw = gunzipSync(swift1('little'));
  for (const length of [0, 4, 8, 40, raw.length - 1]) {
    t.throws(() => decodeSwiftRing(gzipSync(raw.subarray(0, length))), badFile, `cut to ${length}`);
  }
  t.throws(() => decodeSwiftRing(gzipSync(Buffer.from('\x80\x02}q\x00pickled'))), {
    ...badFile,
    message: /1\.6 or older/,
  });
});

t.test("Swift's format 2 with ids of 2, 4 and 8 bytes", async (t) => {
  for (const idBytes of [2, 4, 8]) checkSwift(t, decodeSwiftRing(swift2(idBytes)));
  t.throws(() => decodeSwiftRing(swift2(2, { checksum: false })), badFile);
  t.throws(() => decodeSwiftRing(swift2(8, { firstId: 70_000n })), { ...badFile, message: /70000/ });
  const raw = gunzipSync(swift2(4));
  for (const length of [6, 20, 60, raw.length - 1]) {
    t.throws(() => decodeSwiftRing(gzipSync(raw.subarray(0, length))), badFile, `cut to ${length}`);
  }
  raw.writeUInt16BE(3, 4);
  t.throws(() => decodeSwiftRing(gzipSync(raw)), { ...badFile, message: /format is 3/ });
});
