// The builder's promises, one by one: placement, weights, minimal moves, min_part_hours, overload, refusals.
import t from 'tap';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import { RingBuilder } from './builder.ts';

const hourMs = 3_600_000;
const startMs = 1_700_000_000_000;
const seed = Number(process.env['SEED'] ?? 20_240_501);

function newBuilder(settings: Partial<Parameters<typeof RingBuilder.create>[0]> = {}): RingBuilder {
  return RingBuilder.create({ partPower: 10, replicas: 3, minPartHours: 1, ...settings });
}

function addZones(builder: RingBuilder, zones: number, perZone = 1, region = 1): void {
  for (let zone = 1; zone <= zones; zone++) {
    for (let disk = 0; disk < perZone; disk++) {
      builder.addDevice({ region, zone, ip: `10.${region}.${zone}.1`, port: 6200, device: `sd${disk}`, weight: 100 });
    }
  }
}

function zonesOf(builder: RingBuilder, partition: number): number[] {
  const { table, devices } = builder.state;
  return table.filter((row) => partition < row.length).map((row) => devices[row[partition] as number]?.zone as number);
}

function rebalance(builder: RingBuilder, nowMs: number, random: Random = createSeededRandom(seed)) {
  const report = builder.rebalance({ nowMs, random });
  builder.validate();
  return report;
}

t.test('three replicas in three of five zones, balanced within one partition', async (t) => {
  const builder = newBuilder();
  addZones(builder, 5, 2);
  const report = rebalance(builder, startMs);
  t.equal(report.assigned, 3 * 1024);
  t.equal(report.moved, 0);
  t.equal(report.dispersion, 0);
  for (let p = 0; p < 1024; p++) {
    if (new Set(zonesOf(builder, p)).size !== 3) t.fail(`partition ${p} is in zones ${zonesOf(builder, p)}`);
  }
  for (const { partitions } of builder.balance().devices)
    t.ok(partitions === 307 || partitions === 308, `${partitions}`);
});

t.test('the same seed gives the same ring, another seed another', async (t) => {
  const ringOf = (seed: number) => {
    const builder = newBuilder();
    addZones(builder, 5, 2);
    rebalance(builder, startMs, createSeededRandom(seed));
    builder.setWeight(3, 50);
    rebalance(builder, startMs + hourMs, createSeededRandom(seed));
    return builder.ringData().table;
  };
  t.same(ringOf(1), ringOf(1));
  t.notSame(ringOf(1), ringOf(2));
});

t.test('weights decide the share, also of small and odd devices', async (t) => {
  const builder = newBuilder({ partPower: 12 });
  const weights = [100, 100, 100, 37.5, 12, 200, 81];
  weights.forEach((weight, i) => {
    builder.addDevice({ region: 1, zone: i, ip: `10.0.0.${i}`, port: 6200, device: 'sda', weight });
  });
  rebalance(builder, startMs);
  const total = weights.reduce((a, b) => a + b);
  builder.balance().devices.forEach(({ id, partitions }) => {
    const share = ((weights[id] ?? 0) / total) * 3 * 4096;
    t.ok(Math.abs(partitions - share) <= 1, `device ${id}: ${partitions} of ${share.toFixed(1)}`);
  });
});

t.test('a device heavier than a whole replica gets one of each partition, no more', async (t) => {
  const builder = newBuilder();
  addZones(builder, 4);
  builder.setWeight(0, 100_000);
  rebalance(builder, startMs);
  t.equal(builder.balance().devices[0]?.partitions, 1024);
});

t.test('adding a device moves its share and nothing else', async (t) => {
  const builder = newBuilder();
  addZones(builder, 5, 2);
  rebalance(builder, startMs);
  const added = builder.addDevice({ region: 1, zone: 3, ip: '10.1.3.1', port: 6200, device: 'new', weight: 100 });
  const report = rebalance(builder, startMs + hourMs);
  const share = builder.balance().devices.find(({ id }) => id === added.id)?.partitions ?? 0;
  t.equal(report.moved, share, 'each move fills the new device');
  t.ok(report.movements.every(({ to }) => to === added.id));
  t.ok(Math.abs(share - (3 * 1024) / 11) <= 1, `${share}`);
  t.equal(rebalance(builder, startMs + 5 * hourMs).moved, 0, 'a second rebalance has nothing to do');
});

t.test('removing a device moves what it held, at once, whatever min_part_hours says', async (t) => {
  const builder = newBuilder({ minPartHours: 24 });
  addZones(builder, 5, 2);
  rebalance(builder, startMs);
  builder.setWeight(1, 50);
  rebalance(builder, startMs + 1000);
  const held = builder.balance().devices[0]?.partitions ?? 0;
  builder.removeDevice(0);
  t.throws(() => builder.setWeight(0, 1), { code: 'BadRingArgument' });
  const report = rebalance(builder, startMs + 2000);
  t.same(report.removedDevices, [0]);
  t.equal(builder.state.devices[0], null);
  const fromIt = report.movements.filter(({ from }) => from === 0).reduce((sum, { count }) => sum + count, 0);
  t.equal(fromIt, held);
  t.equal(
    builder.addDevice({ region: 1, zone: 1, ip: '10.9.9.9', port: 1, device: 'x', weight: 1 }).id,
    10,
    'ids are not reused',
  );
});

t.test('a zone that must have one replica of everything gets it from what is freed', async (t) => {
  const builder = newBuilder();
  addZones(builder, 5);
  rebalance(builder, startMs);
  builder.addDevice({ region: 1, zone: 3, ip: '10.1.3.2', port: 6200, device: 'sda', weight: 50 });
  builder.removeDevice(0);
  const report = rebalance(builder, startMs + hourMs);
  t.equal(report.dispersion, 0);
  t.ok(report.balance < 1, `balance ${report.balance}`);
  const inThree = Array.from({ length: 1024 }, (_, p) => zonesOf(builder, p).includes(3)).filter(Boolean).length;
  t.equal(inThree, 1024);
  // Every partition without a replica there needs one, and what the removed device held can serve only some of them.
  t.ok(report.moved < 1.25 * report.movedAtLeast, `${report.moved} moves, ${report.movedAtLeast} by quotas alone`);
});

t.test('min_part_hours keeps a moved partition where it is', async (t) => {
  const builder = newBuilder({ minPartHours: 2 });
  addZones(builder, 5);
  rebalance(builder, startMs);
  builder.setWeight(0, 20);
  const first = rebalance(builder, startMs + hourMs);
  t.ok(first.moved > 300);
  const held = [...builder.state.movedHoursAgo.entries()].filter(([, hours]) => hours === 0).map(([p]) => p);
  t.equal(held.length, first.partitionsMoved);
  const before = builder.ringData().table;
  builder.setWeight(0, 100);
  builder.setWeight(1, 20);
  const second = rebalance(builder, startMs + 2 * hourMs);
  t.equal(second.partitionsHeld, held.length);
  const after = builder.ringData().table;
  for (const p of held) {
    if (after.some((row, replica) => row[p] !== before[replica]?.[p])) t.fail(`partition ${p} moved again too soon`);
  }
  t.equal(builder.secondsUntilFree(startMs + 2 * hourMs), 2 * 3600);
  builder.forgetMoves();
  t.ok(rebalance(builder, startMs + 2 * hourMs).moved > 0);
  t.ok(builder.balance().worst < 0.5, 'and then it balances');
});

t.test('moves one replica of a partition at a time', async (t) => {
  const builder = newBuilder({ minPartHours: 1 });
  addZones(builder, 5);
  rebalance(builder, startMs);
  for (let id = 0; id < 5; id++) builder.setWeight(id, 1);
  addZones(builder, 5, 4, 2);
  const report = rebalance(builder, startMs + hourMs);
  t.equal(report.moved, report.partitionsMoved);
});

t.test('fractional replicas, more replicas, fewer replicas', async (t) => {
  const builder = newBuilder({ replicas: 2.25 });
  addZones(builder, 5);
  rebalance(builder, startMs);
  t.same(
    builder.state.table.map((row) => row.length),
    [1024, 1024, 256],
  );
  builder.set({ replicas: 3 });
  const more = rebalance(builder, startMs + hourMs);
  t.equal(more.assigned, 768);
  t.equal(more.dispersion, 0);
  builder.set({ replicas: 2 });
  rebalance(builder, startMs + 2 * hourMs);
  t.equal(builder.state.table.length, 2);
  t.ok(builder.balance().worst < 1);
});

t.test('overload trades balance for dispersion', async (t) => {
  const builder = newBuilder();
  addZones(builder, 3);
  builder.setWeight(0, 200);
  const byWeight = rebalance(builder, startMs);
  t.equal(byWeight.dispersion, 0, 'one device per zone: a device cannot hold a partition twice');
  const uneven = newBuilder();
  addZones(uneven, 3, 2);
  for (const id of [0, 1]) uneven.setWeight(id, 200);
  t.ok(rebalance(uneven, startMs).dispersion > 5);
  t.ok(Math.abs(uneven.requiredOverload() - 1 / 3) < 1e-6, `${uneven.requiredOverload()}`);
  uneven.set({ overload: 0.4 });
  t.equal(rebalance(uneven, startMs + hourMs).dispersion, 0);
});

t.test('refuses what cannot be', async (t) => {
  const builder = newBuilder();
  addZones(builder, 2);
  const version = builder.state.version;
  t.throws(() => builder.rebalance({ nowMs: startMs, random: createSeededRandom(1) }), { code: 'ImpossibleRing' });
  t.equal(builder.state.version, version, 'and changes nothing');
  const bad = { code: 'BadRingArgument' };
  t.throws(() => newBuilder({ partPower: 40 }), bad);
  t.throws(() => newBuilder({ replicas: 0.5 }), bad);
  t.throws(() => newBuilder({ minPartHours: 1.5 }), bad);
  t.throws(() => builder.setWeight(0, Number.NaN), bad);
  t.throws(() => builder.setWeight(7, 1), bad);
  t.throws(() => builder.removeDevice(7), bad);
  t.throws(
    () => builder.addDevice({ region: 1, zone: 1, ip: '10.1.1.1', port: 6200, device: 'sd0', weight: 1 }),
    bad,
    'twin',
  );
  t.throws(() => builder.addDevice({ id: 1, region: 1, zone: 1, ip: 'x', port: 1, device: 'y', weight: 1 }), bad);
  t.throws(() => builder.validate(), { code: 'BadRingFile' }, 'never rebalanced');
});
