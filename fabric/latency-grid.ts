/**
 * Latencies counted by bucket: one array index an event, labels and lines only when somebody asks. Knows nothing of what is
 * timed, nor of the library that prints the page.
 */

/** Upper bounds of the buckets in seconds; a last one takes the rest. */
export const LATENCY_BOUNDS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
export const LATENCY_BUCKETS = LATENCY_BOUNDS_S.length + 1;

export type Labels = Readonly<Record<string, string>>;

/** One line of the metrics page: a value and what tells it from its neighbours. */
export interface Reading {
  readonly value: number;
  readonly labels?: Labels;
  /** Where the line's name is not that of its metric: parts of a histogram. */
  readonly metricName?: string;
}

export function latencyBucket(ms: number): number {
  const seconds = ms / 1000;
  let bucket = 0;
  while (bucket < LATENCY_BUCKETS - 1 && seconds > (LATENCY_BOUNDS_S[bucket] as number)) bucket++;
  return bucket;
}

/** Counts by bucket, and the sum of all times. */
export interface Latencies {
  readonly buckets: ArrayLike<number>;
  readonly totalMs: number;
}

/** Lines of one histogram row, cumulative as Prometheus wants them; none when nothing was counted. */
export function histogramLines(name: string, labels: Labels, { buckets, totalMs }: Latencies): Reading[] {
  const lines: Reading[] = [];
  let sum = 0;
  for (let i = 0; i < LATENCY_BUCKETS; i++) {
    sum += buckets[i] ?? 0;
    const le = i < LATENCY_BOUNDS_S.length ? String(LATENCY_BOUNDS_S[i]) : '+Inf';
    lines.push({ value: sum, labels: { ...labels, le }, metricName: `${name}_bucket` });
  }
  if (sum === 0) return [];
  lines.push({ value: totalMs / 1000, labels, metricName: `${name}_sum` });
  lines.push({ value: sum, labels, metricName: `${name}_count` });
  return lines;
}

/** A fixed set of rows, each known by its index. */
export class LatencyGrid {
  readonly #rows: readonly Labels[];
  readonly #counts: Float64Array;
  readonly #sumsMs: Float64Array;

  constructor(rows: readonly Labels[]) {
    this.#rows = rows;
    this.#counts = new Float64Array(rows.length * LATENCY_BUCKETS);
    this.#sumsMs = new Float64Array(rows.length);
  }

  observe(row: number, ms: number): void {
    const at = row * LATENCY_BUCKETS + latencyBucket(ms);
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sumsMs[row] = (this.#sumsMs[row] as number) + ms;
  }

  /** Rows that were ever met. */
  lines(name: string): Reading[] {
    return this.#rows.flatMap((labels, row) => {
      const buckets = this.#counts.subarray(row * LATENCY_BUCKETS, (row + 1) * LATENCY_BUCKETS);
      return histogramLines(name, labels, { buckets, totalMs: this.#sumsMs[row] as number });
    });
  }
}
