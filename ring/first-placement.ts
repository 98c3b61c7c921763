/**
 * The first assignment of a ring, when nothing has to stay where it is. Systematic sampling: for each partition the
 * failure domains lie in random order on a line, each as long as what it still has to take; points one partition apart
 * pick the owners. So quotas are met exactly, a domain gets its share rounded up or down for every partition, and any
 * two devices share about as many partitions as chance would have it (the load of a dead one spreads over all).
 */
import { assert } from '../fabric/assert.ts';
import type { Random } from '../fabric/random.ts';
import { nobody } from './contract.ts';
import type { Tier } from './tiers.ts';

/** Fills every slot of `table` (rows of 2^partPower, the last perhaps shorter) by the quotas in the tree. */
export function placeAll(table: readonly Uint16Array[], root: Tier, random: Random): void {
  const partitionCount = table[0]?.length ?? 0;
  const left = new Map<Tier, number>();
  const fill = (tier: Tier): void => {
    left.set(tier, tier.quota);
    tier.children.forEach(fill);
  };
  fill(root);
  // Partitions below `longCount` have one replica more than the others when the replica count is fractional.
  let nextLong = 0;
  let nextShort = table.at(-1)?.length ?? 0;
  for (let remaining = partitionCount; remaining > 0; remaining--) {
    const owners = drawOwners(root, { left, remaining, random });
    const partition = owners.length === table.length ? nextLong++ : nextShort++;
    shuffle(owners, random);
    owners.forEach((id, replica) => {
      const row = table[replica] as Uint16Array;
      assert(partition < row.length, 'a drawn replica set fits its partition');
      row[partition] = id;
    });
  }
  assert(
    table.every((row) => !row.includes(nobody)),
    'every slot is assigned',
  );
}

interface Draw {
  readonly left: Map<Tier, number>;
  /** Partitions still to place, this one included: the length of one replica on the line. */
  readonly remaining: number;
  readonly random: Random;
}

function drawOwners(root: Tier, draw: Draw): number[] {
  const length = draw.left.get(root) ?? 0;
  const points: number[] = [];
  for (let point = draw.random.below(draw.remaining); point < length; point += draw.remaining) points.push(point);
  const owners: number[] = [];
  pick(root, points, { ...draw, owners });
  return owners;
}

function pick(tier: Tier, points: readonly number[], draw: Draw & { owners: number[] }): void {
  draw.left.set(tier, (draw.left.get(tier) ?? 0) - points.length);
  if (tier.device) {
    assert(points.length === 1, 'a device takes a partition once');
    draw.owners.push(tier.device.id);
    return;
  }
  const order = tier.children.length > 1 ? [...tier.children] : tier.children;
  shuffle(order, draw.random);
  let start = 0;
  let found = 0;
  // Plain loops: a cluster's default ring is drawn at every start, before this code is warm.
  for (const child of order) {
    if (found === points.length) return;
    const end = start + (draw.left.get(child) ?? 0);
    const inside: number[] = [];
    for (const point of points) if (point >= start && point < end) inside.push(point - start);
    if (inside.length > 0) pick(child, inside, draw);
    found += inside.length;
    start = end;
  }
}

/** Fisher and Yates, in place. */
export function shuffle<Item>(items: Item[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j] as Item, items[i] as Item];
  }
}
