/**
 * What /metrics shows of a cluster: requests from the proxy's meter, devices (metrics-devices.ts), peers, and the
 * processes. Reads only; it never touches a disk.
 */
import type { Clock } from '../../fabric/clock.ts';
import { addProcessMetrics, Metrics, type Reading } from '../../fabric/metrics.ts';
import type { Cluster, Replica } from '../../proxy/cluster.ts';
import type { RequestMeter } from '../../proxy/request-meter.ts';
import type { MetricsPage } from '../../proxy/server.ts';
import { addDeviceMetrics } from './metrics-devices.ts';
import { zoneUsage } from './process-usage.ts';

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
  addDeviceMetrics(metrics, sources.cluster, sources.clock);
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
    (name) => meter.latencies.lines(name),
  );
  metrics.counter('needletail_requests_total', 'Requests answered, by API, method and status code', () =>
    meter.counts(),
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
