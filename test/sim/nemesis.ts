/** Makes things go wrong, by the seed: crashes of zones and proxies, a power failure, cuts, broken connections, bad disks, clocks. */
import type { Chance } from './chance.ts';
import type { SimCluster } from './sim-cluster.ts';
import { CALM } from './sim-net.ts';
import type { SimZone } from './sim-zone.ts';

/** A zone that did not come up is started again. */
const RESTART_MS = 200;

export class Nemesis {
  readonly #cluster: SimCluster;
  readonly #chance: Chance;
  #stopped = false;
  readonly counts = new Map<string, number>();

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
    this.#chance = cluster.chance.fork('nemesis');
  }

  /** Faults of this run's network. */
  begin(): void {
    const chance = this.#chance;
    this.#cluster.net.faults = {
      breakShare: chance.pick([0, 0, 0.005, 0.03]),
      loseShare: chance.pick([0, 0, 0, 0.005]),
      repeatShare: chance.pick([0, 0.1]),
      slowMs: chance.pick([1, 3, 3, 40]),
    };
    for (const zone of this.#cluster.zones) {
      zone.disk.slowness = chance.pick([1, 1, 1, 4]);
      zone.disk.syncFailureShare = chance.pick([0, 0, 0, 0, 0.002]);
    }
  }

  async run(): Promise<void> {
    const paceMs = this.#chance.pick([60, 150, 400]);
    while (!this.#stopped) {
      await this.#cluster.scheduler.sleep(this.#chance.between(0, 2 * paceMs));
      if (!this.#stopped) this.#strike();
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  #strike(): void {
    const { zones, proxies, net, trace } = this.#cluster;
    const chance = this.#chance;
    const roll = chance.below(100);
    if (roll < 45) this.#crashZone(chance.pick(zones));
    else if (roll < 52) for (const zone of zones) this.#crashZone(zone);
    else if (roll < 62) this.#crashProxy();
    else if (roll < 75) {
      const [from, to] = [chance.pick(proxies), chance.pick(zones)];
      this.#count('cut');
      trace.add('cut', `${from.name} ${to.name}`);
      net.cut(from, to);
      if (chance.often(0.5)) net.cut(from, chance.pick(zones));
      void this.#cluster.scheduler.after(chance.between(5, 1_500), () => net.heal());
    } else if (roll < 90) {
      this.#count('reset');
      net.reset(chance.pick(proxies), chance.pick(zones));
    } else {
      this.#count('clock');
      const node = chance.pick([...proxies, ...zones]);
      node.wall.skewMs += chance.between(-2_000, 2_000);
      trace.add('clock', `${node.name} ${node.wall.skewMs.toFixed(0)} ms off`);
    }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #crashZone(zone: SimZone): void {
    if (!zone.life.alive) return;
    this.#count('zone crash');
    void zone.crash();
    const downMs = this.#chance.pick([0.5, 5, 50, 500]) * this.#chance.between(0.5, 2);
    this.#cluster.scheduler.after(downMs, () => {
      if (!this.#stopped) this.#start(zone);
    });
  }

  #start(zone: SimZone): void {
    const again = (): void => {
      if (!zone.life.alive && !this.#stopped) this.#cluster.scheduler.after(RESTART_MS, () => this.#start(zone));
    };
    if (zone.life.alive) return;
    zone.start().then(again, (error) => this.#cluster.scheduler.fail(error));
  }

  #crashProxy(): void {
    const proxy = this.#chance.pick(this.#cluster.proxies);
    if (!proxy.life.alive) return;
    this.#count('proxy crash');
    proxy.crash();
    this.#cluster.scheduler.after(this.#chance.between(1, 400), () => {
      if (!proxy.life.alive) proxy.start();
    });
  }

  /** Everything works again; resolves when all zones are up. */
  async heal(): Promise<void> {
    const { zones, proxies, net, scheduler, trace } = this.#cluster;
    this.stop();
    trace.add('heal', '');
    net.faults = CALM;
    net.heal();
    for (const zone of zones) {
      zone.disk.syncFailureShare = 0;
      zone.disk.slowness = 1;
      // A device that went out comes back with its process.
      if (zone.life.alive && zone.device && zone.device.status().state !== 'up') await zone.crash();
      this.#start(zone);
    }
    for (const proxy of proxies) if (!proxy.life.alive) proxy.start();
    for (let tries = 0; !zones.every((zone) => zone.up); tries++) {
      if (tries > 100)
        throw new Error(`not up after healing: ${zones.filter((zone) => !zone.up).map(({ name }) => name)}`);
      await scheduler.sleep(100);
    }
  }
}
