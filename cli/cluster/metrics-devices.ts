/**
 * What /metrics shows of devices: their own `status` calls, asked at most once a second, whoever asks for the page. A
 * device that does not answer has no lines.
 */
import type { Clock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { histogramLines, type Labels, type Reading } from '../../fabric/latency-grid.ts';
import type { Metrics } from '../../fabric/metrics.ts';
import type { DeviceStatus, ObjectServiceCalls } from '../../object-server/contract.ts';
import type { Cluster } from '../../proxy/cluster.ts';

const STATUS_KEPT_MS = 1_000;
const STATUS_DEADLINE_MS = 2_000;
const DEVICE_STATES: readonly DeviceStatus['state'][] = ['starting', 'up', 'read-only', 'full', 'out'];

interface Answer {
  readonly labels: Labels;
  readonly status: DeviceStatus;
}

/** Of the devices that answered. */
type Statuses = () => Promise<readonly Answer[]>;

/** One round of `status` calls serves every page of a second. */
function createStatusCache(cluster: Cluster, clock: Clock): Statuses {
  let askedMs = Number.NEGATIVE_INFINITY;
  let last: Promise<readonly Answer[]> | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (!last || nowMs - askedMs >= STATUS_KEPT_MS) {
      askedMs = nowMs;
      last = askAll(cluster);
    }
    return last;
  };
}

async function askAll({ devices }: Cluster): Promise<readonly Answer[]> {
  const found = new Map<number, DeviceStatus>();
  const peers = new Set(devices.map(({ peer }) => peer));
  await Promise.all(
    [...peers].map(async (peer) => {
      if (!peer.up) return;
      try {
        const { value } = await peer.call('status', {}, { deadlineMs: STATUS_DEADLINE_MS });
        for (const one of (value as ObjectServiceCalls['status']['reply']).devices) found.set(one.device, one);
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }),
  );
  return devices.flatMap(({ device, peer }) => {
    const status = found.get(device);
    return status ? [{ status, labels: { device: String(device), peer: peer.name } }] : [];
  });
}

interface DeviceFigure {
  readonly name: string;
  readonly help: string;
  readonly kind?: 'counter';
  readonly value: (status: DeviceStatus) => number;
}

const counter = 'counter' as const;
const DEVICE_FIGURES: readonly DeviceFigure[] = [
  { name: 'live_bytes', help: 'Bytes that registers refer to', value: (s) => s.liveBytes },
  { name: 'log_bytes', help: 'Bytes of all segments, live and garbage', value: (s) => s.logBytes },
  { name: 'free_bytes', help: 'Free bytes of its file system', value: (s) => s.space.freeBytes },
  { name: 'capacity_bytes', help: 'Size of its file system', value: (s) => s.space.totalBytes },
  { name: 'fill_ratio', help: 'Share of its file system that is used, 0 to 1', value: ({ space }) => fillRatio(space) },
  { name: 'queued_bytes', help: 'Log bytes that wait for their fdatasync', value: (s) => s.queuedBytes },
  {
    name: 'checkpoint_lag_records',
    help: 'Records that only the log has, and a restart would replay',
    value: (s) => s.uncheckpointed.records,
  },
  { name: 'checkpoint_lag_bytes', help: 'Log that they lie in', value: (s) => s.uncheckpointed.bytes },
  { name: 'handoff_copies', help: 'Copies held for another device: replication debt', value: (s) => s.handoffCopies },
  {
    name: 'behind_bytes',
    help: 'Log of other devices still to be gone through for missed changes: replication debt',
    value: (s) => Object.values(s.behind).reduce((sum, bytes) => sum + bytes, 0),
  },
  { name: 'unsettled_operations', help: 'Writes not known to be complete everywhere', value: (s) => s.unsettled },
  {
    name: 'quarantined',
    help: 'Registers and blobs set aside as damaged, not yet repaired',
    value: (s) => s.quarantined,
  },
  {
    name: 'damage_found_total',
    help: 'Registers and blobs found damaged',
    kind: counter,
    value: (s) => s.damage?.found ?? 0,
  },
  {
    name: 'damage_repaired_total',
    help: 'Of those, repaired from another replica',
    kind: counter,
    value: (s) => s.damage?.repaired ?? 0,
  },
];

const fillRatio = ({ freeBytes, totalBytes }: DeviceStatus['space']): number =>
  totalBytes > 0 ? 1 - freeBytes / totalBytes : 0;

export function addDeviceMetrics(metrics: Metrics, cluster: Cluster, clock: Clock): void {
  const statuses = createStatusCache(cluster, clock);
  const each = (lines: (answer: Answer) => readonly Reading[]) => async () => (await statuses()).flatMap(lines);
  metrics.gauge(
    'needletail_device_state',
    '1 for the state the device is in; no line while its zone is down',
    each(({ status, labels }) =>
      DEVICE_STATES.map((state) => ({ value: status.state === state ? 1 : 0, labels: { ...labels, state } })),
    ),
  );
  for (const { name, help, kind = 'gauge', value } of DEVICE_FIGURES) {
    metrics[kind](
      `needletail_device_${name}`,
      help,
      each(({ status, labels }) => [{ value: value(status), labels }]),
    );
  }
  metrics.gauge(
    'needletail_device_owed_copies',
    'Handoff copies by the device they wait for (target), where they lie',
    each(({ status, labels }) =>
      Object.entries(status.handoffsFor ?? {}).map(([target, value]) => ({ value, labels: { ...labels, target } })),
    ),
  );
  metrics.histogram('needletail_device_fsync_duration_seconds', 'fdatasync calls of the log', async (name) =>
    (await statuses()).flatMap(({ status, labels }) => histogramLines(name, labels, status.syncs)),
  );
}
