/**
 * Changes an existing assignment into one that meets the quotas, moving as few replicas as it can: first what must move
 * (removed devices, crowded failure domains), then surplus straight to a device that wants it, last chains over a third
 * device. A partition moves at most one replica a time unless its devices were removed, so its data stays reachable.
 */
import type { Random } from '../fabric/random.ts';
import { nobody } from './contract.ts';
import type { Domains } from './domains.ts';
import { shuffle } from './first-placement.ts';
import { leavesOf, type Tier } from './tiers.ts';

export interface MoveContext {
  readonly table: readonly Uint16Array[];
  readonly root: Tier;
  readonly domains: Domains;
  readonly random: Random;
  /** Whether the partition may be touched for balance: not moved lately, in this run or before it. */
  readonly mayTouch: (partition: number) => boolean;
  readonly touched: (partition: number) => void;
}

/** Work on chains is bounded: a balance left a little off is cheaper than a rebalance that never ends. */
const chainVisitsMax = 5_000_000;

interface Slot {
  readonly partition: number;
  readonly replica: number;
}

export class Mover {
  readonly #context: MoveContext;
  /** Part-replicas each device still wants (positive) or has too many (negative), by id. */
  readonly #wants: Map<number, number>;
  readonly #takers: readonly number[];
  readonly #others: number[] = [];

  constructor(context: MoveContext) {
    this.#context = context;
    const leaves = leavesOf(context.root);
    this.#wants = new Map(leaves.map((leaf) => [leaf.device.id, leaf.quota - leaf.held]));
    this.#takers = leaves.filter(({ device }) => device.weight > 0).map(({ device }) => device.id);
  }

  run(): void {
    this.#freeCrowded();
    this.#fillFree();
    this.#shedDirectly();
    this.#shedByChains();
  }

  /** Takes one replica off each partition that has too many in one failure domain. */
  #freeCrowded(): void {
    const { table, domains, mayTouch } = this.#context;
    const partitionCount = table[0]?.length ?? 0;
    for (let partition = 0; partition < partitionCount; partition++) {
      const owners = this.#ownersBut(partition, -1);
      const [first, ...rest] = domains.crowded(owners);
      if (first === undefined || !mayTouch(partition)) continue;
      const from = rest.reduce((worst, id) => (this.#want(id) < this.#want(worst) ? id : worst), first);
      const replica = table.findIndex((row) => row[partition] === from);
      (table[replica] as Uint16Array)[partition] = nobody;
      this.#wants.set(from, this.#want(from) + 1);
      this.#context.touched(partition);
    }
  }

  /** First where a failure domain needs the replica to reach its least; such places are lost once others have taken them. */
  #fillFree(): void {
    const { domains, random } = this.#context;
    const free = this.#slotsWhere((id) => id === nobody);
    shuffle(free, random);
    const rest = free.filter((slot) => {
      const others = this.#ownersBut(slot.partition, slot.replica);
      const joinable = this.#takers.filter((id) => domains.mayJoin(id, others));
      const least = Math.min(...joinable.map((id) => domains.needs(id, others)));
      const to = this.#drawHungry(others, (id) => domains.needs(id, others) > least);
      if (to !== undefined) this.#put(slot, to);
      return to === undefined;
    });
    for (const slot of rest) {
      const others = this.#ownersBut(slot.partition, slot.replica);
      const to = this.#drawHungry(others, () => true) ?? this.#leastBad(others);
      this.#put(slot, to);
    }
  }

  #shedDirectly(): void {
    for (const slot of this.#surplusSlots()) {
      const from = this.#ownerOf(slot);
      if (this.#want(from) >= 0 || !this.#context.mayTouch(slot.partition)) continue;
      const others = this.#ownersBut(slot.partition, slot.replica);
      const to = this.#drawHungry(others, (id) => this.#context.domains.mayMove(from, id, others));
      if (to !== undefined) this.#move(slot, to);
    }
  }

  /** Where no surplus partition may go to a hungry device, something else goes there and makes room for it. */
  #shedByChains(): void {
    let visits = 0;
    const stuck = new Set<number>();
    for (;;) {
      const from = [...this.#wants].find(([id, want]) => want < 0 && !stuck.has(id))?.[0];
      if (from === undefined || visits > chainVisitsMax) return;
      const chain = this.#findChain(from, (cost) => {
        visits += cost;
        return visits <= chainVisitsMax;
      });
      if (!chain || !this.#follow(chain)) stuck.add(from);
    }
  }

  /** Breadth first, so that the chain found is a shortest one. */
  #findChain(from: number, spend: (visits: number) => boolean): { slot: Slot; to: number }[] | undefined {
    const reached = new Map<number, { slot: Slot; via: number }>();
    const queue = [from];
    const slotsOf = this.#slotsByOwner();
    for (const at of queue) {
      for (const slot of slotsOf.get(at) ?? []) {
        if (!spend(this.#takers.length)) return undefined;
        if (!this.#context.mayTouch(slot.partition)) continue;
        const others = this.#ownersBut(slot.partition, slot.replica);
        for (const to of this.#takers) {
          if (to === from || reached.has(to) || !this.#context.domains.mayMove(at, to, others)) continue;
          reached.set(to, { slot, via: at });
          if (this.#want(to) > 0) return unwind(reached, from, to);
          queue.push(to);
        }
      }
    }
    return undefined;
  }

  #follow(chain: readonly { slot: Slot; to: number }[]): boolean {
    for (const { slot, to } of chain) {
      const others = this.#ownersBut(slot.partition, slot.replica);
      const allowed =
        this.#context.mayTouch(slot.partition) && this.#context.domains.mayMove(this.#ownerOf(slot), to, others);
      if (!allowed) return false;
      this.#move(slot, to);
    }
    return true;
  }

  /** A device that wants more and may have this, drawn in proportion to how much it wants. */
  #drawHungry(others: readonly number[], allowed: (id: number) => boolean): number | undefined {
    let total = 0;
    let drawn: number | undefined;
    for (const id of this.#takers) {
      const want = this.#want(id);
      if (want <= 0 || !this.#context.domains.mayJoin(id, others) || !allowed(id)) continue;
      total += want;
      if (this.#context.random.below(total) < want) drawn = id;
    }
    return drawn;
  }

  /** Nobody who wants it may have it: the fewest crowded domains first, then whoever is least over its quota. */
  #leastBad(others: readonly number[]): number {
    let best = { id: nobody, excess: Number.POSITIVE_INFINITY, want: 0 };
    for (const id of this.#takers) {
      if (others.includes(id)) continue;
      const excess = this.#context.domains.excess(id, others);
      const want = this.#want(id);
      if (excess < best.excess || (excess === best.excess && want > best.want)) best = { id, excess, want };
    }
    return best.id;
  }

  #surplusSlots(): Slot[] {
    const slots = this.#slotsWhere((id) => this.#want(id) < 0);
    shuffle(slots, this.#context.random);
    return slots;
  }

  #slotsByOwner(): Map<number, Slot[]> {
    const byOwner = new Map<number, Slot[]>();
    for (const slot of this.#slotsWhere(() => true)) {
      const owner = this.#ownerOf(slot);
      const slots = byOwner.get(owner);
      if (slots) slots.push(slot);
      else byOwner.set(owner, [slot]);
    }
    return byOwner;
  }

  #slotsWhere(matches: (id: number) => boolean): Slot[] {
    const slots: Slot[] = [];
    this.#context.table.forEach((row, replica) => {
      for (let partition = 0; partition < row.length; partition++) {
        if (matches(row[partition] as number)) slots.push({ partition, replica });
      }
    });
    return slots;
  }

  #move(slot: Slot, to: number): void {
    const from = this.#ownerOf(slot);
    this.#wants.set(from, this.#want(from) + 1);
    this.#put(slot, to);
    this.#context.touched(slot.partition);
  }

  #put({ partition, replica }: Slot, to: number): void {
    (this.#context.table[replica] as Uint16Array)[partition] = to;
    this.#wants.set(to, this.#want(to) - 1);
  }

  #want(id: number): number {
    return this.#wants.get(id) ?? 0;
  }

  #ownerOf({ partition, replica }: Slot): number {
    return (this.#context.table[replica] as Uint16Array)[partition] as number;
  }

  /** The partition's owners without replica `except`; the array is reused by the next call. */
  #ownersBut(partition: number, except: number): readonly number[] {
    const others = this.#others;
    others.length = 0;
    for (const [replica, row] of this.#context.table.entries()) {
      const id = row[partition];
      if (replica !== except && id !== undefined && id !== nobody) others.push(id);
    }
    return others;
  }
}

function unwind(reached: ReadonlyMap<number, { slot: Slot; via: number }>, from: number, last: number) {
  const chain: { slot: Slot; to: number }[] = [];
  for (let to = last; to !== from; ) {
    const step = reached.get(to) as { slot: Slot; via: number };
    // From the far end: the last device takes before the ones before it hand on, so nobody is over for longer than a step.
    chain.push({ slot: step.slot, to });
    to = step.via;
  }
  return chain;
}
