/**
 * Which failure domains a partition may use: per device the numbers of its region, zone, host and itself, and for each
 * domain how many replicas of one partition it should hold at least and at most. Answers "may this replica move there?"
 */
import { ceilOf, floorOf } from './plan.ts';
import { everyTier, leavesOf, type Tier, tierLevels, tierNamesOf } from './tiers.ts';

export class Domains {
  /** `tierLevels.length` domain numbers per device id. */
  readonly #pathOf: Int32Array;
  readonly #max: Int32Array;
  readonly #min: Int32Array;
  readonly #scratch: Int32Array;

  constructor(root: Tier, idCount: number) {
    const tiers = [...everyTier(root)].slice(1);
    const numberOf = new Map(tiers.map((tier, number) => [tier.name, number]));
    this.#max = Int32Array.from(tiers, (tier) => ceilOf(tier.target));
    this.#min = Int32Array.from(tiers, (tier) => floorOf(tier.target));
    this.#scratch = new Int32Array(tiers.length);
    this.#pathOf = new Int32Array(idCount * tierLevels.length).fill(-1);
    for (const { device } of leavesOf(root)) {
      const path = tierNamesOf(device).map((name) => numberOf.get(name) as number);
      this.#pathOf.set(path, device.id * tierLevels.length);
    }
  }

  /** Whether `id` may join `others`, who hold the partition's other replicas. */
  mayJoin(id: number, others: readonly number[]): boolean {
    return this.excess(id, others) === 0;
  }

  /** In how many levels of failure domain `id` would be one replica too many beside `others`. */
  excess(id: number, others: readonly number[]): number {
    let count = 0;
    for (let level = 0; level < tierLevels.length; level++) {
      const domain = this.#at(id, level);
      if (this.#countIn(domain, level, others) >= (this.#max[domain] as number)) count += 1;
    }
    return count;
  }

  /** In how many levels of failure domain `others` are fewer than the least: `id` would help there. */
  needs(id: number, others: readonly number[]): number {
    let count = 0;
    for (let level = 0; level < tierLevels.length; level++) {
      const domain = this.#at(id, level);
      if (this.#countIn(domain, level, others) < (this.#min[domain] as number)) count += 1;
    }
    return count;
  }

  /** Whether the replica on `from` may go to `to`: nothing above its most there, nothing below its least here. */
  mayMove(from: number, to: number, others: readonly number[]): boolean {
    if (!this.mayJoin(to, others)) return false;
    for (let level = 0; level < tierLevels.length; level++) {
      const domain = this.#at(from, level);
      if (this.#at(to, level) === domain) continue;
      if (this.#countIn(domain, level, others) < (this.#min[domain] as number)) return false;
    }
    return true;
  }

  /** The owners that sit in some domain which holds too many of `owners`. */
  crowded(owners: readonly number[]): number[] {
    const counts = this.#scratch;
    this.#each(owners, (domain) => {
      counts[domain] = (counts[domain] as number) + 1;
    });
    const found = owners.filter((id) => {
      for (let level = 0; level < tierLevels.length; level++) {
        const domain = this.#at(id, level);
        if ((counts[domain] as number) > (this.#max[domain] as number)) return true;
      }
      return false;
    });
    this.#each(owners, (domain) => {
      counts[domain] = 0;
    });
    return found;
  }

  #each(owners: readonly number[], visit: (domain: number) => void): void {
    for (const id of owners) for (let level = 0; level < tierLevels.length; level++) visit(this.#at(id, level));
  }

  #countIn(domain: number, level: number, owners: readonly number[]): number {
    let count = 0;
    for (const id of owners) if (this.#at(id, level) === domain) count += 1;
    return count;
  }

  #at(id: number, level: number): number {
    return this.#pathOf[id * tierLevels.length + level] as number;
  }
}
