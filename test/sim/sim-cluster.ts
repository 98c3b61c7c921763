/** Five zones and a few proxies in one process, on simulated clocks, disks and network. Nothing happens unless the scheduler runs. */
import {
  headBallot,
  headKey,
  isTombstone,
  type Key,
  KIND,
  keyKind,
  type Mutation,
} from '../../object-server/contract.ts';
import type { Ring } from '../../ring/contract.ts';
import { fiveZoneRing } from '../../ring/five-zone-ring.ts';
import { Chance } from './chance.ts';
import type { Plant } from './plants.ts';
import { Scheduler } from './scheduler.ts';
import { SimNet } from './sim-net.ts';
import { SimProxy } from './sim-proxy.ts';
import { type SimParts, SimZone } from './sim-zone.ts';
import { Trace } from './trace.ts';

const PART_POWER = 5;
let sharedRing: Ring | undefined;

export interface SimClusterOptions {
  readonly seed: number;
  readonly plant?: Plant;
  readonly print?: ((line: string) => void) | undefined;
}

export class SimCluster {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly net: SimNet;
  readonly zones: readonly SimZone[];
  readonly proxies: readonly SimProxy[];
  readonly names = new Map<string, string>();

  constructor({ seed, plant = {}, print }: SimClusterOptions) {
    this.chance = new Chance(seed);
    this.scheduler = new Scheduler(this.chance.fork('ties').random);
    this.trace = new Trace(this.scheduler, print);
    this.net = new SimNet({
      scheduler: this.scheduler,
      chance: this.chance.fork('net'),
      trace: this.trace,
      describe: (method, args) => this.#describe(method, args),
    });
    sharedRing ??= fiveZoneRing({ partPower: PART_POWER });
    const { chance, scheduler, trace, net } = this;
    const parts: SimParts = { scheduler, chance, trace, net, plant, ring: sharedRing };
    this.zones = sharedRing.devices.map(({ id }) => new SimZone(parts, id));
    for (const zone of this.zones) zone.siblings = this.zones.filter((other) => other !== zone);
    const proxyParts = { zones: this.zones, names: this.names };
    const proxyCount = 2 + this.chance.below(2);
    this.proxies = Array.from({ length: proxyCount }, (_, i) => new SimProxy(parts, i + 1, proxyParts));
  }

  async start(): Promise<void> {
    await Promise.all(this.zones.map((zone) => zone.start()));
  }

  keyName(key: Key): string {
    const kind = Object.entries(KIND).find(([, value]) => value === keyKind(key))?.[0] ?? '?';
    const rest = kind === 'row' ? `:${key.slice(29).replace('\0', '!')}` : '';
    return `${kind}(${this.names.get(key.slice(1, 17)) ?? Buffer.from(key.slice(1, 5), 'latin1').toString('hex')}${rest})`;
  }

  #describe(method: string, args: unknown): string {
    const { key, mutations, ballot, handoffFor } = args as {
      key?: Key;
      ballot?: string;
      mutations?: readonly Mutation[];
      handoffFor?: number;
    };
    if (method === 'apply') {
      const what = (mutations ?? []).map(
        ({ head }) => `${this.keyName(headKey(head))}@${headBallot(head)}${isTombstone(head) ? ' gone' : ''}`,
      );
      return `${handoffFor === undefined ? '' : `for zone${handoffFor + 1} `}${what.join(' ')}`;
    }
    return `${key ? this.keyName(key) : ''}${ballot ? ` @${ballot}` : ''}`;
  }
}
