/**
 * What would be left if the power failed everywhere now and every unsynced byte were lost: opens copies of the disks beside
 * the running cluster and looks. An answer of success must not depend on anything else.
 */
import type { Clock } from '../../fabric/clock.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { headBallot, type Key } from '../../object-server/contract.ts';
import { openDevice } from '../../object-server/open-device.ts';
import { Chance } from './chance.ts';
import { Life } from './life.ts';
import { CLUSTER_ID, type SimZone, SMALL_LIMITS } from './sim-zone.ts';

/** Nothing waits: timers never fire, turns come at once. */
const stillClock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: () => ({ cancel() {} }),
  nextTurn: (run) => void setImmediate(run),
  sleep: () => new Promise(() => {}),
};

/** Ballots that the zone's durable state holds of the keys; '' where it knows nothing. */
export async function durableBallots(zone: SimZone, keys: readonly Key[]): Promise<readonly string[]> {
  const life = new Life('survivor');
  const disk = zone.disk.durableClone({ chance: new Chance(1), after: (_delayMs, run) => void setImmediate(run) });
  const kv = zone.committedIndex();
  if (!kv) return keys.map(() => '');
  const device = await openDevice({
    directory: '/device',
    deviceId: zone.deviceId,
    clusterId: CLUSTER_ID,
    disk: disk.view(life),
    openKv: async () => kv,
    clock: stillClock,
    random: createSeededRandom(1),
    limits: { ...SMALL_LIMITS, checkpointRecords: 2 ** 30, checkpointTailBytes: 2 ** 40, tableRecordsMax: 2 ** 30 },
  });
  const ballots = keys.map((key) => {
    const view = device.get(key);
    return view ? headBallot(view.head) : '';
  });
  life.end();
  return ballots;
}
