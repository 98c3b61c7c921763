/** A simulated proxy: a clock of its own, a writer id, a durable ceiling of stamps, and everything else lost in a crash. */
import { isFault } from '../../fabric/errors.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import { createStampSource } from '../../fabric/stamp.ts';
import { type Cluster, createCluster } from '../../proxy/cluster.ts';
import type { Store } from '../../proxy/object/contract.ts';
import { inlineDigests } from '../../proxy/object/digest.ts';
import { createReconciler } from '../../proxy/object/reconcile.ts';
import { createStore, type RunningStore } from '../../proxy/object/store.ts';
import { createSettledMarks } from '../../proxy/settled.ts';
import { createPathHasher } from '../../ring/path-hash.ts';
import type { Chance } from './chance.ts';
import { Life } from './life.ts';
import { createSimClock, WallClock } from './sim-clock.ts';
import type { NetNode } from './sim-net.ts';
import type { SimParts, SimZone } from './sim-zone.ts';

const WRITERS_APART = 8;
const hashPath = createPathHasher({ prefix: Buffer.from('sim'), suffix: Buffer.from('sim') });

export class SimProxy implements NetNode {
  readonly name: string;
  readonly #number: number;
  #lives = 0;
  readonly wall: WallClock;
  readonly handlers = undefined;
  readonly #parts: SimParts;
  readonly #chance: Chance;
  readonly #zones: readonly SimZone[];
  /** Path hashes met, for readable traces. */
  readonly #names: Map<string, string>;
  life: Life;
  running: RunningStore | undefined;
  cluster: Cluster | undefined;
  #ceilingTicks = 0;

  constructor(
    parts: SimParts,
    number: number,
    { zones, names }: { zones: readonly SimZone[]; names: Map<string, string> },
  ) {
    this.name = `proxy${number}`;
    this.#number = number;
    this.#parts = parts;
    this.#chance = parts.chance.fork(this.name);
    this.#zones = zones;
    this.#names = names;
    this.wall = new WallClock(
      parts.scheduler,
      this.#chance.pick([0, 0, this.#chance.between(-3_000, 3_000), this.#chance.between(-60_000, 60_000)]),
    );
    this.life = new Life(this.name);
    this.start();
  }

  get store(): Store {
    return (this.running as RunningStore).store;
  }

  start(): void {
    const { scheduler, net, trace, plant } = this.#parts;
    const life = new Life(this.name);
    this.life = life;
    trace.add('start', this.name);
    const clock = createSimClock(scheduler, this.wall, life);
    const { random } = this.#chance;
    const stamps = createStampSource({
      clock: plant.sameWriter ? { ...clock, nowMs: () => Math.floor(clock.nowMs() / 20) * 20 } : clock,
      // Another in each life, so that its settled marks say nothing of what the last one left.
      writerId: plant.sameWriter ? 1 : this.#number + WRITERS_APART * this.#lives++,
      floorTicks: this.#ceilingTicks,
      reserve: (ceilingTicks) => {
        this.#ceilingTicks = ceilingTicks;
      },
    });
    const settled = createSettledMarks(stamps, clock);
    const peers = new Map<number, Peer>(this.#zones.map((zone) => [zone.deviceId, net.connect(this, zone)]));
    const named = (account: string, container?: string, object?: string): Buffer => {
      const hash = hashPath(account, container, object);
      this.#names.set(hash.toString('latin1'), [account, container, object].filter(Boolean).join('/'));
      return hash;
    };
    const real = createCluster({ clock, random, stamps, settled, ring: this.#parts.ring, peers, hashPath: named });
    const cluster = plant.cluster?.(real) ?? real;
    settled.onQuiet((mark) => {
      for (const { device, peer } of cluster.devices) {
        if (!peer.up) continue;
        peer.call('apply', { device, mutations: [], writer: stamps.writerId, settled: mark }).catch((error) => {
          if (!isFault(error)) scheduler.fail(error);
        });
      }
    });
    const onError = (what: string, error: unknown): void => {
      if (!isFault(error)) scheduler.fail(error);
      else trace.add('later', `${this.name} ${what}: ${error.code}`);
    };
    this.cluster = cluster;
    this.running = createStore({ cluster, digests: inlineDigests, random, onError });
    createReconciler(this.running.engine).start();
  }

  crash(): void {
    if (!this.life.alive) return;
    this.#parts.trace.add('crash', this.name);
    this.life.end();
  }
}
