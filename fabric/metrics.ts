/**
 * Figures for Prometheus. Counting must cost next to nothing: whoever counts does so in plain numbers or in a LatencyGrid
 * (one array index per event), and everything is turned into labels and text only when somebody asks for the page. The
 * only file that imports prom-client; knows nothing of what is counted.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { type Metric, Registry } from 'prom-client';

/** Upper bounds of the histogram's buckets in seconds; a last one takes the rest. */
export const LATENCY_BOUNDS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
/** The loop is looked at so often; delays are what comes on top. */
const LOOP_RESOLUTION_MS = 50;
const BUCKETS = LATENCY_BOUNDS_S.length + 1;
const NANOSECONDS = 1e9;

export type Labels = Readonly<Record<string, string>>;

/** One line of the page: a value and what tells it from its neighbours. */
export interface Reading {
  readonly value: number;
  readonly labels?: Labels;
}

type Values = { value: number; labels: Labels; metricName?: string }[];

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

  /** A histogram in seconds, in the rows of a grid. */
  histogram(name: string, help: string, grid: LatencyGrid): void {
    this.#add({
      name,
      help,
      type: 'histogram',
      get: async () => ({ name, help, type: 'histogram', values: grid.values(name) }),
    });
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
      const values: Values = (await read()).map(({ value, labels = {} }) => ({ value, labels }));
      return { name, help, type, values };
    };
    this.#add({ name, help, type, get });
  }

  /** prom-client asks of a metric only what is here; its own classes hash labels at every event, which is what we avoid. */
  #add(metric: { name: string; help: string; type: string; get: () => Promise<object> }): void {
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

/** Latencies of a fixed set of rows, each known by its index. */
export class LatencyGrid {
  readonly #rows: readonly Labels[];
  readonly #counts: Float64Array;
  readonly #sumsMs: Float64Array;

  constructor(rows: readonly Labels[]) {
    this.#rows = rows;
    this.#counts = new Float64Array(rows.length * BUCKETS);
    this.#sumsMs = new Float64Array(rows.length);
  }

  observe(row: number, ms: number): void {
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < BUCKETS - 1 && seconds > (LATENCY_BOUNDS_S[bucket] as number)) bucket++;
    const at = row * BUCKETS + bucket;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sumsMs[row] = (this.#sumsMs[row] as number) + ms;
  }

  /** Events of a row. */
  count(row: number): number {
    let sum = 0;
    for (let i = 0; i < BUCKETS; i++) sum += this.#counts[row * BUCKETS + i] as number;
    return sum;
  }

  /** Lines of the rows that were ever met, cumulative as Prometheus wants them. */
  values(name: string): Values {
    const values: Values = [];
    this.#rows.forEach((labels, row) => {
      if (this.count(row) === 0) return;
      let sum = 0;
      for (let i = 0; i < BUCKETS; i++) {
        sum += this.#counts[row * BUCKETS + i] as number;
        const le = i < LATENCY_BOUNDS_S.length ? String(LATENCY_BOUNDS_S[i]) : '+Inf';
        values.push({ value: sum, labels: { ...labels, le }, metricName: `${name}_bucket` });
      }
      values.push({ value: (this.#sumsMs[row] as number) / 1000, labels, metricName: `${name}_sum` });
      values.push({ value: sum, labels, metricName: `${name}_count` });
    });
    return values;
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
