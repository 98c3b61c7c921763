/**
 * Figures for Prometheus. Counting must cost next to nothing: whoever counts does so in plain numbers or in a LatencyGrid
 * (latency-grid.ts: one array index per event), and everything is turned into labels and text only when somebody asks for the page. The
 * only file that imports prom-client; knows nothing of what is counted.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { type Metric, Registry } from 'prom-client';
import type { Labels, Reading } from './latency-grid.ts';

export type { Labels, Reading } from './latency-grid.ts';

/** The loop is looked at so often; delays are what comes on top. */
const LOOP_RESOLUTION_MS = 50;
const NANOSECONDS = 1e9;

export class Metrics {
  readonly #registry = new Registry();

  /** A value that goes up and down. `read` is called for every page and must be cheap or cached. */
  gauge(name: string, help: string, read: () => readonly Reading[] | Promise<readonly Reading[]>): void {
    this.#register(name, help, 'gauge', read);
  }

  /** A sum since the start; by custom `name` ends in `_total`. */
  counter(name: string, help: string, read: () => readonly Reading[] | Promise<readonly Reading[]>): void {
    this.#register(name, help, 'counter', read);
  }

  /** A histogram: `read` gives its lines ready made, as `histogramLines` (latency-grid.ts) makes them. */
  histogram(
    name: string,
    help: string,
    read: (name: string) => readonly Reading[] | Promise<readonly Reading[]>,
  ): void {
    this.#register(name, help, 'histogram', () => read(name));
  }

  /** The page, in Prometheus' text format 0.0.4. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #register(
    name: string,
    help: string,
    type: string,
    read: () => readonly Reading[] | Promise<readonly Reading[]>,
  ): void {
    const get = async () => {
      const values = (await read()).map((reading) => ({ labels: {}, ...reading }));
      return { name, help, type, values };
    };
    this.#add({ name, help, type, get });
  }

  /** prom-client asks of a metric only what is here; its own classes hash labels at every event, which is what we avoid. */
  #add(metric: { name: string; help: string; type: string; get: () => Promise<object> }): void {
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

/** CPU, memory and event loop of this very process. */
export function addProcessMetrics(metrics: Metrics, labels: Labels): void {
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  metrics.gauge(
    'needletail_event_loop_delay_seconds',
    'How late the event loop was since the last look: 0.5, 0.99 and worst',
    () => {
      const above = (nanoseconds: number): number => Math.max(0, nanoseconds / NANOSECONDS - LOOP_RESOLUTION_MS / 1000);
      const read = (quantile: string, value: number): Reading => ({
        value: above(value),
        labels: { ...labels, quantile },
      });
      const readings = [read('0.5', loop.percentile(50)), read('0.99', loop.percentile(99)), read('1', loop.max)];
      loop.reset();
      return readings;
    },
  );
  metrics.counter('needletail_process_cpu_seconds_total', 'CPU time used, by process and mode', () => {
    const { user, system } = process.cpuUsage();
    return [
      { value: user / 1e6, labels: { ...labels, mode: 'user' } },
      { value: system / 1e6, labels: { ...labels, mode: 'system' } },
    ];
  });
  metrics.gauge('needletail_process_resident_bytes', 'Resident memory, by process', () => [
    { value: process.memoryUsage.rss(), labels },
  ]);
}
