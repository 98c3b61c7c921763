/** A zone with real devices: what it does about one that cannot be opened, and that it takes back space by itself. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { Device } from '../../object-server/device.ts';
import { fiveZoneRing } from '../../ring/five-zone-ring.ts';
import { apply, bodyOf, CLUSTER, objectKey, put, stampAt } from '../../test/engine-bed.ts';
import { openZone, type Zone } from './zone.ts';

const LIMIT_MS = 30_000;
const DEVICES = [
  { id: 0, name: 'zone1' },
  { id: 1, name: 'zone2' },
];
const limits = {
  logSegmentBytes: 16 * 1024,
  checkpointIdleMs: 1,
  compactIdleMs: 1,
  reserveBytesMin: 0,
  reserveBytes: 0,
};

interface Said {
  readonly message: string;
  readonly device?: number;
}

/** Opens the zone and says what it complained of; `device` is the one that is whole. */
async function openTwo(directory: string): Promise<{ zone: Zone; errors: Said[]; device: Device }> {
  const errors: Said[] = [];
  const log = {
    info() {},
    warn() {},
    error: (details: object, message: string) => void errors.push({ ...details, message }),
  };
  const world = { disk: systemDisk, clock: systemClock, random: createSeededRandom(1), log, limits };
  const zone = await openZone({ ...world, directory, clusterId: CLUSTER, devices: DEVICES });
  return { zone, errors, device: zone.devices.get(0) as Device };
}

t.test('a device that cannot be opened is left out, said so, and nobody else is kept waiting', async (t) => {
  const directory = t.testdir();
  const first = await openTwo(directory);
  await apply(first.device, put(objectKey(1), stampAt(1), { body: 'kept' }));
  await first.zone.close();
  writeFileSync(path.join(directory, 'zone2', 'device.json'), 'rot');

  const { zone, errors, device } = await openTwo(directory);
  t.same([...zone.devices.keys()], [0]);
  t.match(errors, [{ message: /^device left out/, device: 1 }]);
  t.equal(await bodyOf(device, objectKey(1)), 'kept');
  const peer = createLocalPeer('zone', zone.handlers, { clock: systemClock });
  await t.rejects(peer.call('check', { device: 1, key: objectKey(1) }), { code: 'NoSuchDevice' });
  t.match((await peer.call('status', {})).value, { devices: [{ device: 0, state: 'up' }] });
  zone.startDaemons(fiveZoneRing({ partPower: 4 }), new Map());
  await peer.close();
  await zone.close();
});

t.test('space is taken back while the zone runs', async (t) => {
  const { zone, device } = await openTwo(t.testdir());
  t.teardown(() => zone.close());
  for (let stamp = 1; stamp <= 200; stamp++) {
    await apply(device, put(objectKey(stamp % 4), stampAt(stamp), { body: 'x'.repeat(1000) }));
  }
  const before = device.status().logBytes;
  zone.startDaemons(fiveZoneRing({ partPower: 4 }), new Map());
  const endMs = systemClock.monotonicMs() + LIMIT_MS;
  while (device.status().logBytes > before / 2 && systemClock.monotonicMs() < endMs) await systemClock.sleep(10);
  t.ok(device.status().logBytes <= before / 2, `${device.status().logBytes} of ${before}`);
  t.equal(await bodyOf(device, objectKey(1)), 'x'.repeat(1000));
});
