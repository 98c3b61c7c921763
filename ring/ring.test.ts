// Lookups in small rings whose answer is plain to see, and the default five-zone ring.
import t from 'tap';
import { asPartition, type Device, type Partition } from './contract.ts';
import { fiveZoneRing, fiveZoneRingData } from './five-zone-ring.ts';
import { createRing } from './ring.ts';

function device(id: number, zone: number): Device {
  const address = { ip: `10.0.0.${id}`, port: 6200, replicationIp: `10.0.0.${id}`, replicationPort: 6200 };
  return { id, region: 1, zone, weight: 1, ...address, device: 'sda', meta: '' };
}

t.test('a partition is the top bits of the hash', async (t) => {
  const ring = fiveZoneRing({ partPower: 12 });
  t.equal(ring.partitionOf(Buffer.from('abcdef0000000000', 'hex')), 0xabc);
  t.equal(ring.partitionOf(Buffer.from('ffffffffffffffff', 'hex')), 4095);
  t.equal(ring.partitionOf(Buffer.alloc(16)), 0);
  const single = fiveZoneRing({ partPower: 0 });
  t.equal(single.partitionOf(Buffer.from('ffffffff', 'hex')), 0);
  t.equal(single.partitionCount, 1);
});

t.test('five zones: three primaries in three zones, the other two stand in, the same on every start', async (t) => {
  const ring = fiveZoneRing();
  t.equal(ring.replicaCount, 3);
  const perZone = new Map<number, number>();
  const triples = new Set<string>();
  for (let p = 0; p < ring.partitionCount; p++) {
    const partition = p as Partition;
    const primaries = ring.primaries(partition);
    const handoffs = [...ring.handoffs(partition)];
    const zones = [...primaries, ...handoffs].map(({ zone }) => zone);
    if (primaries.length !== 3 || new Set(zones).size !== 5) t.fail(`partition ${p} is in zones ${zones}`);
    for (const { zone } of primaries) perZone.set(zone, (perZone.get(zone) ?? 0) + 1);
    triples.add(
      primaries
        .map(({ zone }) => zone)
        .toSorted()
        .join(),
    );
  }
  const counts = [...perZone.values()];
  t.ok(Math.max(...counts) - Math.min(...counts) <= 1, `balanced: ${counts}`);
  t.equal(triples.size, 10, 'every choice of three zones occurs');
  t.same(fiveZoneRingData(), fiveZoneRingData());
});

t.test(
  'a device that holds several replicas of a partition is one primary; a short row covers its partitions',
  async (t) => {
    const devices = [device(0, 1), device(1, 2), null, device(3, 3)];
    const table = [Uint16Array.of(0, 1), Uint16Array.of(0, 3), Uint16Array.of(1)];
    const ring = createRing({ partPower: 1, version: 7, devices, table });
    t.equal(ring.replicaCount, 2.5);
    t.same(
      ring.primaries(asPartition(0, 1)).map(({ id }) => id),
      [0, 1],
    );
    t.same(
      ring.primaries(asPartition(1, 1)).map(({ id }) => id),
      [1, 3],
    );
    t.same(
      ring.devices.map(({ id }) => id),
      [0, 1, 3],
    );
    t.equal(ring.device(2), undefined);
    t.equal(ring.device(3)?.zone, 3);
    t.equal(ring.primaries(asPartition(0, 1)), ring.primaries(asPartition(0, 1)), 'no array per lookup');
    t.throws(() => (ring.primaries(asPartition(0, 1)) as Device[]).push(device(9, 9)), 'shared, hence frozen');
  },
);

t.test('refuses data that a lookup could trip over', async (t) => {
  const devices = [device(0, 1), device(1, 2)];
  const good = { partPower: 1, version: 1, devices, table: [Uint16Array.of(0, 1)] };
  const bad = { code: 'BadRingFile' };
  t.ok(createRing(good));
  t.throws(() => createRing({ ...good, table: [] }), bad);
  t.throws(() => createRing({ ...good, table: [Uint16Array.of(0, 2)] }), bad, 'an unknown device');
  t.throws(() => createRing({ ...good, table: [Uint16Array.of(0)] }), bad, 'a short first row');
  t.throws(() => createRing({ ...good, table: [Uint16Array.of(0, 1), Uint16Array.of(1), Uint16Array.of(0, 1)] }), bad);
  t.throws(() => createRing({ ...good, devices: [device(1, 1), device(0, 1)] }), bad, 'ids out of place');
  t.throws(() => createRing({ ...good, partPower: 60 }), bad);
  t.throws(() => asPartition(2, 1), { code: 'BadRingArgument' });
});
