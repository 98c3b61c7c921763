/** Counts of one run: what was answered inside the measured window, how long it took, and everything that went wrong. */
const SAMPLES_MAX = 5;

export class Tally {
  ops = 0;
  bodyBytes = 0;
  errors = 0;
  issued = 0;
  answered = 0;
  readonly errorSamples: string[] = [];
  #latencies: Float64Array = new Float64Array(1 << 16);
  #open = false;
  #beganMs = 0;
  #endedMs = 0;
  #cpu = process.cpuUsage();

  begin(): void {
    this.#open = true;
    this.#beganMs = performance.now();
    this.#cpu = process.cpuUsage();
  }

  end(): void {
    this.#open = false;
    this.#endedMs = performance.now();
    this.#cpu = process.cpuUsage(this.#cpu);
  }

  get windowSeconds(): number {
    return (this.#endedMs - this.#beganMs) / 1000;
  }

  get cpuUs(): number {
    return this.#cpu.user + this.#cpu.system;
  }

  good(latencyMs: number, bodyBytes: number): void {
    this.answered++;
    if (!this.#open) return;
    if (this.ops === this.#latencies.length) {
      const wider = new Float64Array(this.ops * 2);
      wider.set(this.#latencies);
      this.#latencies = wider;
    }
    this.#latencies[this.ops++] = latencyMs;
    this.bodyBytes += bodyBytes;
  }

  bad(why: string): void {
    this.answered++;
    this.wrong(why);
  }

  wrong(why: string): void {
    this.errors++;
    if (this.errorSamples.length < SAMPLES_MAX && !this.errorSamples.includes(why)) this.errorSamples.push(why);
  }

  /** At each share of the latencies, ms. */
  percentiles(...shares: readonly number[]): number[] {
    const sorted = this.#latencies.subarray(0, this.ops).sort();
    return shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  }
}
