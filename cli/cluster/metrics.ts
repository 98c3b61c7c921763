/**
 * What /metrics shows of a cluster: requests from the proxy's meter, devices from their own `status` calls (asked at most
 * once a second, whoever asks), peers, and the processes. Reads only; it never touches a disk.
 */
import type { Clock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { addProcessMetrics, Metrics, type Reading } from '../../fabric/metrics.ts';
import type { DeviceStatus, ObjectServiceCalls } from '../../object-server/contract.ts';
import type { Cluster, Replica } from '../../proxy/cluster.ts';
import type { RequestMeter } from '../../proxy/request-meter.ts';
import type { MetricsPage } from '../../proxy/server.ts';
import { zoneUsage } from './process-usage.ts';

const STATUS_KEPT_MS = 1_000;
const STATUS_DEADLINE_MS = 2_000;
const DEVICE_STATES: readonly DeviceStatus['state'][] = ['starting', 'up', 'read-only', 'full', 'out'];
/** A log position counts segments in its upper half; within one device's tail the difference is bytes. */
const SEGMENT = 2 ** 32;

export interface MetricsSources {
  readonly cluster: Cluster;
  readonly meter: RequestMeter;
  readonly clock: Clock;
  readonly zonePids: () => Readonly<Record<string, number>>;
  /** Containers whose account has not heard of their last change. */
  readonly lagging: () => number;
}

export function createMetricsPage(sources: MetricsSources): MetricsPage {
  const metrics = new Metrics();
  addRequests(metrics, sources.meter);
  addPeers(metrics, sources.cluster);
  addDevices(metrics, createStatusCache(sources));
  addOperations(metrics, sources);
  addProcessMetrics(metrics, { process: 'proxy' });
  const usage = () => zoneUsage(sources.zonePids());
  metrics.counter('needletail_zone_cpu_seconds_total', 'CPU time of the zones that are processes of their own', () =>
    usage().map(({ zone, cpuSeconds }) => ({ value: cpuSeconds, labels: { zone } })),
  );
  metrics.gauge('needletail_zone_resident_bytes', 'Resident memory of the zones that are processes of their own', () =>
    usage().map(({ zone, residentBytes }) => ({ value: residentBytes, labels: { zone } })),
  );
  return { meter: sources.meter, text: () => metrics.text() };
}

function addRequests(metrics: Metrics, meter: RequestMeter): void {
  const one = (value: number): Reading[] => [{ value }];
  metrics.histogram(
    'needletail_request_duration_seconds',
    'Requests by API, method and kind of answer; time until the answer began',
    meter.latencies,
  );
  metrics.gauge('needletail_requests_in_flight', 'Requests being answered now', () => one(meter.inFlight));
  metrics.counter('needletail_received_bytes_total', 'Bytes of request bodies', () => one(meter.bytesIn));
  metrics.counter('needletail_sent_bytes_total', 'Bytes of response bodies', () => one(meter.bytesOut));
}

function addPeers(metrics: Metrics, { devices }: Cluster): void {
  const each = (value: (replica: Replica) => number) => () => {
    const peers = new Map(devices.map((replica) => [replica.peer.name, replica]));
    return [...peers].map(([peer, replica]) => ({ value: value(replica), labels: { peer } }));
  };
  metrics.gauge(
    'needletail_peer_up',
    '1 while the zone can be called',
    each(({ peer }) => (peer.up ? 1 : 0)),
  );
  metrics.gauge(
    'needletail_peer_calls',
    'Calls waiting for an answer',
    each(({ peer }) => peer.load.calls),
  );
  metrics.gauge(
    'needletail_peer_queued_bytes',
    'Bytes waiting to be sent',
    each(({ peer }) => peer.load.queuedBytes),
  );
  metrics.gauge(
    'needletail_peer_latency_seconds',
    'Recent latency of calls',
    each(({ peer }) => peer.load.latencyMs / 1000),
  );
}

interface Statuses {
  readonly of: (replica: Replica) => DeviceStatus | undefined;
  readonly devices: readonly Replica[];
}

/** One round of `status` calls serves every page of a second. */
function createStatusCache({ cluster, clock }: MetricsSources): () => Promise<Statuses> {
  let askedMs = Number.NEGATIVE_INFINITY;
  let last: Promise<Statuses> | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (!last || nowMs - askedMs >= STATUS_KEPT_MS) {
      askedMs = nowMs;
      last = askAll(cluster);
    }
    return last;
  };
}

async function askAll(cluster: Cluster): Promise<Statuses> {
  const found = new Map<number, DeviceStatus>();
  const peers = new Set(cluster.devices.map(({ peer }) => peer));
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
  return { of: ({ device }) => found.get(device), devices: cluster.devices };
}

interface DeviceFigure {
  readonly name: string;
  readonly help: string;
  readonly kind?: 'counter';
  readonly value: (status: DeviceStatus) => number;
}

const DEVICE_FIGURES: readonly DeviceFigure[] = [
  { name: 'device_live_bytes', help: 'Bytes that registers refer to', value: (s) => s.liveBytes },
  { name: 'device_log_bytes', help: 'Bytes of all segments, live and garbage', value: (s) => s.logBytes },
  { name: 'device_free_bytes', help: 'Free bytes of its file system', value: (s) => s.space.freeBytes },
  { name: 'device_total_bytes', help: 'Size of its file system', value: (s) => s.space.totalBytes },
  { name: 'device_unsynced_bytes', help: 'Log bytes that wait for their fsync', value: (s) => s.tail - s.synced },
  { name: 'device_tail_bytes', help: 'Log bytes that a restart would replay', value: tailBytes },
  { name: 'device_handoff_copies', help: 'Copies held for another device', value: (s) => s.handoffCopies },
  {
    name: 'device_unsettled_operations',
    help: 'Writes not known to be complete everywhere',
    value: (s) => s.unsettled,
  },
  { name: 'device_quarantined', help: 'Registers and blobs set aside as damaged', value: (s) => s.quarantined },
  {
    name: 'device_behind_entries',
    help: 'Changes of other devices still to be pulled',
    value: (s) => Object.values(s.behind).reduce((sum, entries) => sum + entries, 0),
  },
  { name: 'device_fsyncs_total', help: 'fdatasync calls of the log', kind: 'counter', value: (s) => s.syncs.count },
  {
    name: 'device_fsync_seconds_total',
    help: 'Time spent in them',
    kind: 'counter',
    value: (s) => s.syncs.totalMs / 1000,
  },
];

/** An estimate when the tail spans segments: their sizes are the device's business. */
function tailBytes({ tail, checkpointed }: DeviceStatus): number {
  return Math.max(
    0,
    (tail % SEGMENT) - (Math.floor(tail / SEGMENT) === Math.floor(checkpointed / SEGMENT) ? checkpointed % SEGMENT : 0),
  );
}

function addDevices(metrics: Metrics, statuses: () => Promise<Statuses>): void {
  const labelsOf = ({ device, peer }: Replica) => ({ device: String(device), peer: peer.name });
  metrics.gauge(
    'needletail_device_state',
    '1 for the state the device is in; no line while its zone is down',
    async () => {
      const { of, devices } = await statuses();
      return devices.flatMap((replica) => {
        const status = of(replica);
        if (!status) return [];
        return DEVICE_STATES.map((state) => ({
          value: status.state === state ? 1 : 0,
          labels: { ...labelsOf(replica), state },
        }));
      });
    },
  );
  for (const { name, help, kind = 'gauge', value } of DEVICE_FIGURES) {
    metrics[kind](`needletail_${name}`, help, async () => {
      const { of, devices } = await statuses();
      return devices.flatMap((replica) => {
        const status = of(replica);
        return status ? [{ value: value(status), labels: labelsOf(replica) }] : [];
      });
    });
  }
}

function addOperations(metrics: Metrics, { cluster, lagging }: MetricsSources): void {
  metrics.gauge('needletail_open_operations', 'Writes of this proxy not yet complete on every primary', () => [
    { value: cluster.settled.openCount },
  ]);
  metrics.gauge(
    'needletail_account_totals_lagging',
    'Containers whose account has not heard of their last change',
    () => [{ value: lagging() }],
  );
}
