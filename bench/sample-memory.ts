/** Memory of a server over time: looked at every so often while something happens, and drawn as text. */
import { memoryOf, processTree } from './process-tree.ts';

const EVERY_MS = 250;
const MIB = 1 << 20;
const BAR_WIDTH = 50;
const LINES_MAX = 12;

export interface MemoryPoint {
  readonly ms: number;
  readonly pssMiB: number;
  readonly anonymousMiB: number;
}

export interface Curve {
  readonly points: readonly MemoryPoint[];
  readonly seconds: number;
  readonly pssMiBMax: number;
  readonly anonymousMiBMax: number;
}

/** Looks at the processes from its construction until `end`. */
export class MemorySampler {
  readonly #points: MemoryPoint[] = [];
  readonly #startMs = performance.now();
  readonly #roots: readonly number[];
  readonly #timer: NodeJS.Timeout;

  constructor(roots: readonly number[]) {
    this.#roots = roots;
    this.#look();
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  end(): Curve {
    clearInterval(this.#timer);
    this.#look();
    return {
      points: this.#points,
      seconds: (performance.now() - this.#startMs) / 1000,
      pssMiBMax: Math.max(...this.#points.map(({ pssMiB }) => pssMiB)),
      anonymousMiBMax: Math.max(...this.#points.map(({ anonymousMiB }) => anonymousMiB)),
    };
  }

  #look(): void {
    const { pssBytes, anonymousBytes } = memoryOf(processTree(this.#roots));
    const ms = Math.round(performance.now() - this.#startMs);
    this.#points.push({ ms, pssMiB: round(pssBytes / MIB), anonymousMiB: round(anonymousBytes / MIB) });
  }
}

/** A line for each stretch of time, the highest point in it; `fullMiB` is a whole bar. */
export function curveText(name: string, { points }: Curve, fullMiB: number): string {
  const stretch = Math.ceil(points.length / LINES_MAX);
  const lines: string[] = [];
  for (let from = 0; from < points.length; from += stretch) {
    const own = points.slice(from, from + stretch);
    const top = own.reduce((best, point) => (point.pssMiB > best.pssMiB ? point : best));
    const bar = '#'.repeat(Math.round((BAR_WIDTH * top.pssMiB) / fullMiB));
    const at = `${((own[0]?.ms ?? 0) / 1000).toFixed(1)} s`;
    lines.push(`${name.padEnd(4)} ${at.padStart(7)} ${top.pssMiB.toFixed(0).padStart(5)} MiB ${bar}`);
  }
  return lines.join('\n');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
