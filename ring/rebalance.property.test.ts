// Random clusters live through random changes; after every rebalance the promises of the builder must hold. Replay one
// cluster with SEED=n, try more with SEEDS=count.
import t, { type Test } from 'tap';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import { RingBuilder } from './builder.ts';
import type { Device } from './contract.ts';

const hourMs = 3_600_000;
/** Percent. Where weights force crowding, moving less is worth a little more of it. */
const spreadTolerance = 6;
const seeds = process.env['SEED']
  ? [Number(process.env['SEED'])]
  : Array.from({ length: Number(process.env['SEEDS'] ?? 60) }, (_, i) => i + 1);

for (const seed of seeds) {
  t.test(`SEED=${seed}`, async (t) => {
    const random = createSeededRandom(seed);
    const replicas = [1, 2, 2.5, 3, 3, 3, 4][random.below(7)] ?? 3;
    const minPartHours = random.below(3);
    const builder = RingBuilder.create({
      partPower: 6 + random.below(4),
      replicas,
      minPartHours,
      overload: random.below(3) / 10,
    });
    for (let i = 0; i < 6 + random.below(20); i++) addRandomDevice(builder, random);
    let nowMs = 1_700_000_000_000;
    for (let step = 0; step < 6; step++) {
      nowMs += random.below(4) * hourMs;
      const before = builder.ringData().table;
      const resting = restingPartitions(builder, nowMs);
      const report = builder.rebalance({ nowMs, random });
      builder.validate();
      checkRest({ t, builder, before, resting, removed: report.removedDevices });
      if (step === 0) checkFirst(t, builder);
      t.ok(report.moved >= 0 && report.moved <= before.reduce((sum, row) => sum + row.length, 0));
      changeSomething(builder, random);
    }
    settle(t, builder, { nowMs, random });
  });
}

function addRandomDevice(builder: RingBuilder, random: Random): void {
  const region = 1 + random.below(10) * (random.below(4) === 0 ? 1 : 0);
  const ip = `10.${region}.0.${random.below(12)}`;
  const weight = 1 + random.below(400) / 3;
  const device = `sd${builder.state.devices.length}`;
  builder.addDevice({ region, zone: 1 + random.below(6), ip, port: 6200, device, weight });
}

function changeSomething(builder: RingBuilder, random: Random): void {
  const usable = builder.state.devices.filter((one): one is Device => one !== null && one.weight > 0);
  const device = usable[random.below(usable.length)] as Device;
  const choice = random.below(4);
  const spare = usable.length > Math.ceil(builder.state.replicas) + 1;
  if (choice === 0 && spare) builder.removeDevice(device.id);
  else if (choice === 1 && spare) builder.setWeight(device.id, random.below(3) === 0 ? 0 : 1 + random.below(200));
  else for (let i = 0; i <= random.below(3); i++) addRandomDevice(builder, random);
}

/** Partitions that may not be moved for balance at `nowMs`. */
function restingPartitions(builder: RingBuilder, nowMs: number): number[] {
  const { movedHoursAgo, movedAtSeconds, minPartHours, table } = builder.state;
  if (table.length === 0) return [];
  const hours = Math.max(0, Math.floor((nowMs / 1000 - movedAtSeconds) / 3600));
  return [...movedHoursAgo.keys()].filter((p) => (movedHoursAgo[p] ?? 0) + hours < minPartHours);
}

interface RestCheck {
  readonly t: Test;
  readonly builder: RingBuilder;
  readonly before: readonly Uint16Array[];
  readonly resting: readonly number[];
  readonly removed: readonly number[];
}

function checkRest({ t, builder, before, resting, removed }: RestCheck): void {
  for (const p of resting) {
    for (const [replica, row] of builder.state.table.entries()) {
      const was = before[replica]?.[p];
      if (was !== undefined && was !== row[p] && !removed.includes(was))
        t.fail(`resting partition ${p} left device ${was}`);
    }
  }
}

/** A first placement meets every quota exactly, so no device is off by more than rounding at each level of the tree. */
function checkFirst(t: Test, builder: RingBuilder): void {
  const partitionCount = builder.partitionCount;
  if (builder.state.overload > 0) return;
  const weights = builder.state.devices.map((device) => device?.weight ?? 0);
  const total = weights.reduce((a, b) => a + b, 0);
  for (const { id, partitions } of builder.balance().devices) {
    const share = ((weights[id] ?? 0) / total) * builder.state.replicas * partitionCount;
    const capped = weights.some((weight) => (weight / total) * builder.state.replicas > 1);
    if (!capped && Math.abs(partitions - share) > 1.001)
      t.fail(`device ${id} has ${partitions}, its share is ${share}`);
  }
}

/** With nothing changing any more it reaches its balance in a few rebalances, then moves nothing. */
function settle(t: Test, builder: RingBuilder, { nowMs, random }: { nowMs: number; random: Random }): void {
  let now = nowMs;
  let last = builder.rebalance({ nowMs: now, random });
  for (let i = 0; i < 12 && (i === 0 || last.moved > 0); i++) {
    now += 300 * hourMs;
    last = builder.rebalance({ nowMs: now, random });
    builder.validate();
  }
  t.equal(last.moved, 0, 'comes to rest');
  t.equal(last.movedAtLeast, 0, 'with every device at its quota');
  const fresh = freshDispersion(builder);
  t.ok(last.dispersion <= fresh + spreadTolerance, `spread: ${last.dispersion} % at risk, a new ring has ${fresh} %`);
}

/** Percent at risk in a ring made of the same devices from nothing. */
function freshDispersion(builder: RingBuilder): number {
  const { partPower, replicas, minPartHours, overload, devices } = builder.state;
  const fresh = RingBuilder.create({ partPower, replicas, minPartHours, overload });
  for (const device of devices) if (device) fresh.addDevice(device);
  return fresh.rebalance({ nowMs: 0, random: createSeededRandom(1) }).dispersion;
}
