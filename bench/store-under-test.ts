/**
 * One store for the length of some rows: makes containers and objects when a scenario first needs them, runs the load, and
 * takes away what it wrote when the store is somebody's. Knows which processes to charge.
 */
import { randomBytes } from 'node:crypto';
import type { LoadKind, LoadPlan } from './load/plan.ts';
import { type Measured, runLoad } from './load/run-load.ts';
import { Caller, makeContainer, send, type Target } from './target.ts';

const FILL_SECONDS_MAX = 3600;
const FILL_CONNECTIONS = 64;
const LARGE_BYTES = 16 << 20;
const LARGE_CONNECTIONS = 4;

export interface LoadArgs {
  readonly kind: LoadKind;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Names there before the load starts; 0 for none. */
  readonly names: number;
}

export class StoreUnderTest {
  readonly target: Target;
  readonly roots: readonly number[];
  readonly #clears: boolean;
  readonly #id = randomBytes(4).toString('hex');
  readonly #filled = new Map<string, LoadPlan>();
  #runs = 0;

  /** `clears` removes what a load wrote, which takes as long again. */
  constructor(target: Target, roots: readonly number[], clears: boolean) {
    this.target = target;
    this.roots = roots;
    this.#clears = clears;
  }

  async load(args: LoadArgs): Promise<Measured> {
    const { kind, sizeBytes, names } = args;
    const tag = `t${++this.#runs}`;
    const group = kind === 'put' ? 'w' : kind === 'delete' ? `d${this.#runs}` : kind === 'list' ? 'l' : 'r';
    const large = kind === 'page' || kind === 'prefixes';
    const container = `needletail-bench-${this.#id}-${large ? 'many' : group}-${large ? names : sizeBytes}`;
    const plan: LoadPlan = { target: this.target, container, tag, ...args };
    if (!this.#filled.has(container)) await this.#fill({ ...plan, kind: large ? 'fill-large' : 'fill' });
    const measured = await runLoad(plan, this.roots);
    if (kind === 'delete') this.#filled.set(container, { ...plan, names: 0 });
    if (this.#clears && measured.written > 0) await this.#run({ ...plan, kind: 'clear', names: measured.written });
    return measured;
  }

  /** Empties and removes the containers, if this store is not thrown away. */
  async close(): Promise<void> {
    if (!this.#clears) return;
    const caller = new Caller(this.target);
    for (const plan of this.#filled.values()) {
      if (plan.names > 0) await this.#run({ ...plan, kind: plan.kind === 'fill-large' ? 'clear-large' : 'delete' });
      await send(caller, caller.container('DELETE', plan.container));
    }
  }

  async #fill(plan: LoadPlan): Promise<void> {
    await makeContainer(this.target, plan.container);
    this.#filled.set(plan.container, plan);
    if (plan.names === 0) return;
    const { errors, errorSamples } = await this.#run(plan);
    if (errors > 0) throw new Error(`writing the objects to read failed: ${errorSamples.join('; ')}`);
  }

  #run(plan: LoadPlan): Promise<Measured> {
    const most = plan.sizeBytes >= LARGE_BYTES ? LARGE_CONNECTIONS : FILL_CONNECTIONS;
    const connections = Math.min(most, plan.names);
    return runLoad({ ...plan, connections, seconds: FILL_SECONDS_MAX, warmupSeconds: 0 }, []);
  }
}
