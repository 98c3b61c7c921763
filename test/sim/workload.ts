/**
 * Clients: each does one operation after another on a few hot names, through whichever proxy lives, and tells the history
 * what it asked and what it was told. An error that is not an expected Fault ends the run.
 */
import { isFault } from '../../fabric/errors.ts';
import { actions } from './actions.ts';
import { ACCOUNT, type Action, type Attempt, type Mix, type Settle } from './attempt.ts';
import type { Chance } from './chance.ts';
import type { History } from './history.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimProxy } from './sim-proxy.ts';
import type { KnownVersion } from './version-book.ts';

/** A client that heard nothing for this long gives up and goes on. */
const PATIENCE_MS = 40_000;

export type Weights = Readonly<Partial<Record<keyof typeof actions, number>>>;

export interface WorkloadOptions {
  readonly cluster: SimCluster;
  readonly history: History;
  readonly mix: Mix;
  readonly weights: Weights;
  readonly clients: number;
  readonly operations: number;
  /** Called when an operation succeeded; what it returns ends before anything else happens. */
  readonly answered: (attempt: Attempt, action: Action, value: unknown) => Promise<void> | undefined;
}

interface Who {
  readonly chance: Chance;
  readonly client: string;
  readonly proxy: SimProxy;
  readonly mix?: Mix;
  /** The version that it is about. */
  readonly known?: KnownVersion;
}

export class Workload {
  readonly #options: WorkloadOptions;
  #next = 0;
  #left: number;
  readonly counts = new Map<string, number>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#left = options.operations;
  }

  get mix(): Mix {
    return this.#options.mix;
  }

  async run(): Promise<void> {
    const { clients, cluster } = this.#options;
    const chances = Array.from({ length: clients }, (_, i) => cluster.chance.fork(`client${i}`));
    await Promise.all(chances.map((chance, i) => this.#client(chance, `client${i}`)));
  }

  /** The containers are there before the trouble begins. */
  async prepare(): Promise<void> {
    const { cluster, mix } = this.#options;
    const proxy = cluster.proxies[0] as SimProxy;
    const chance = cluster.chance.fork('prepare');
    for (const container of mix.containers) {
      await this.operate('create', { chance, client: 'prepare', proxy, mix: { ...mix, containers: [container] } });
    }
  }

  /** When all is well again: every name is read through every proxy, and every container listed. */
  async look(): Promise<void> {
    const { cluster, mix } = this.#options;
    const chance = cluster.chance.fork('look');
    if (mix.stacks) return this.#lookAtVersions(chance);
    for (const proxy of cluster.proxies) {
      for (const container of mix.containers) {
        for (const object of mix.objects) {
          await this.operate('get', {
            chance,
            client: 'look',
            proxy,
            mix: { ...mix, containers: [container], objects: [object] },
          });
        }
        await this.operate('list', { chance, client: 'look', proxy, mix: { ...mix, containers: [container] } });
      }
    }
  }

  async #lookAtVersions(chance: Chance): Promise<void> {
    const { cluster, history, mix } = this.#options;
    for (const proxy of cluster.proxies) {
      for (const container of mix.containers) {
        const who = { chance, client: 'look', proxy };
        const here = { ...mix, containers: [container] };
        for (const object of mix.objects) {
          await this.operate('stackGet', { ...who, mix: { ...here, objects: [object] } });
          for (const known of history.versions.of({ account: ACCOUNT, container, object })) {
            if (!known.marker) await this.operate('stackGetVersion', { ...who, mix: here, known });
          }
        }
        await this.operate('stackList', { ...who, mix: here });
      }
    }
  }

  async #client(chance: Chance, name: string): Promise<void> {
    const { scheduler, proxies } = this.#options.cluster;
    while (this.#left > 0) {
      this.#left--;
      await scheduler.sleep(chance.often(0.1) ? chance.between(0, 800) : chance.between(0, 15));
      let proxy = chance.pick(proxies);
      while (!proxy.life.alive) {
        await scheduler.sleep(20);
        proxy = chance.pick(proxies);
      }
      const kind = pickWeighted(chance, this.#options.weights);
      await this.operate(kind, { chance, client: name, proxy });
    }
  }

  /** One operation from invocation to answer, or until nobody will answer it any more. */
  async operate(kind: keyof typeof actions, who: Who): Promise<void> {
    const { cluster, history, mix, answered } = this.#options;
    const { scheduler, trace } = cluster;
    const id = ++this.#next;
    const attempt: Attempt = { mix, ...who, id, history, start: history.tick() };
    const action: Action = actions[kind](attempt);
    trace.add('ask', `${who.client} ${who.proxy.name} #${id} ${action.text}`);
    const life = who.proxy.life;
    const work = action.run().then(
      (value): Settle => {
        const look = answered(attempt, action, value);
        if (look) scheduler.aside(look);
        return { value };
      },
      (fault: unknown): Settle => {
        if (!isFault(fault)) scheduler.fail(fault);
        return { fault: isFault(fault) ? fault : undefined };
      },
    );
    const gone = life.died.then((): Settle => ({ gone: 'proxy died' }));
    const patience = scheduler.sleep(PATIENCE_MS).then((): Settle => ({ gone: 'client gave up' }));
    const outcome = await Promise.race([work, gone, patience]);
    const told = outcome.gone ?? outcome.fault?.code ?? 'ok';
    this.counts.set(`${kind} ${told}`, (this.counts.get(`${kind} ${told}`) ?? 0) + 1);
    trace.add('told', `${who.client} #${id} ${told}`);
    action.settle(outcome, history.tick());
  }
}

function pickWeighted<T extends string>(chance: Chance, weights: Readonly<Partial<Record<T, number>>>): T {
  const entries = Object.entries(weights) as [T, number][];
  let roll = chance.between(
    0,
    entries.reduce((sum, [, weight]) => sum + weight, 0),
  );
  for (const [name, weight] of entries) {
    roll -= weight;
    if (roll < 0) return name;
  }
  return (entries[0] as [T, number])[0];
}
