/**
 * How much each failure domain should hold: replicas per partition first (fractions, from weights, dispersion and
 * overload), then whole numbers of partitions. Pure arithmetic on the tier tree; it knows no partition by name.
 */
import { Fault } from '../fabric/errors.ts';
import { ringFaults } from './contract.ts';
import { leavesOf, type Tier } from './tiers.ts';

/** Sums of shares are off by rounding errors far below this; real shares differ by far more. */
const epsilon = 1e-7;

export function floorOf(share: number): number {
  return Math.floor(share + epsilon);
}

export function ceilOf(share: number): number {
  return Math.ceil(share - epsilon);
}

/**
 * Fills in `weighted`, `dispersed`, `target` and `riskless` of the whole tree.
 * @returns the overload that full dispersion would need (0.1 = a device takes up to 10 % more than its weight's share).
 * @throws Fault ImpossibleRing when there are fewer devices with weight than replicas.
 */
export function planReplicas(root: Tier, replicas: number, overload: number): number {
  if (root.deviceCount < replicas) {
    const message = `${replicas} replicas need at least ${Math.ceil(replicas)} devices with a weight, there are ${root.deviceCount}`;
    throw new Fault(ringFaults.impossible, { replicas, devices: root.deviceCount }, message);
  }
  shareByWeight(root, replicas);
  spreadRiskless(root, replicas);
  disperse(root, replicas);
  const leaves = leavesOf(root).filter((leaf) => leaf.weighted > 0);
  const required = Math.max(0, ...leaves.map((leaf) => (leaf.dispersed - leaf.weighted) / leaf.weighted));
  const ratio = required > epsilon ? Math.min(overload, required) / required : 1;
  setTargets(root, ratio);
  return required > epsilon ? required : 0;
}

/** Weight alone decides, but no device holds two replicas of one partition. */
function shareByWeight(root: Tier, replicas: number): void {
  const leaves = leavesOf(root);
  const shares = fillByWeight(
    replicas,
    leaves.map(({ device: { weight } }) => ({ weight, min: 0, max: weight > 0 ? 1 : 0 })),
  );
  leaves.forEach((leaf, i) => {
    leaf.weighted = shares[i] ?? 0;
  });
  const sum = (tier: Tier): number => {
    if (!tier.device) tier.weighted = tier.children.reduce((total, child) => total + sum(child), 0);
    return tier.weighted;
  };
  sum(root);
}

/** Weights aside: as equal as the number of devices in each domain allows. */
function spreadRiskless(tier: Tier, replicas: number): void {
  tier.riskless = ceilOf(replicas);
  evenShares(tier, replicas).forEach((share, i) => void spreadRiskless(tier.children[i] as Tier, share));
}

/** By weight again, but each domain within one replica of its even share: unique as possible first, weights second. */
function disperse(tier: Tier, replicas: number): void {
  tier.dispersed = replicas;
  const even = evenShares(tier, replicas);
  const items = tier.children.map((child, i) => {
    const share = even[i] ?? 0;
    return { weight: child.weighted, min: floorOf(share), max: Math.min(ceilOf(share), child.deviceCount) };
  });
  fillByWeight(replicas, items).forEach((share, i) => void disperse(tier.children[i] as Tier, share));
}

function evenShares(tier: Tier, replicas: number): number[] {
  const items = tier.children.map((child) => ({
    weight: child.deviceCount > 0 ? 1 : 0,
    min: 0,
    max: child.deviceCount,
  }));
  return fillByWeight(replicas, items);
}

function setTargets(tier: Tier, ratio: number): void {
  tier.target = tier.weighted + (tier.dispersed - tier.weighted) * ratio;
  for (const child of tier.children) setTargets(child, ratio);
}

interface Share {
  readonly weight: number;
  readonly min: number;
  readonly max: number;
}

/** Splits `total` in proportion to weight, each share kept between its bounds. Bounds win over the total. */
export function fillByWeight(total: number, items: readonly Share[]): number[] {
  const sharesAt = (level: number) => items.map(({ weight, min, max }) => Math.min(max, Math.max(min, weight * level)));
  const sum = (shares: number[]) => shares.reduce((a, b) => a + b, 0);
  let low = 0;
  let high = Math.max(0, ...items.filter(({ weight }) => weight > 0).map(({ weight, max }) => max / weight));
  // Halving ends when no double lies between the two ends: at most some 1,100 steps, in practice under 100.
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (sum(sharesAt(middle)) < total) low = middle;
    else high = middle;
  }
  return sharesAt(high);
}

/**
 * Fills in `quota` of the whole tree, in whole part-replicas that add up to `slots`. Where a share is not whole, the
 * odd ones go to whoever holds more already (`held`), so that rounding alone moves nothing.
 */
export function setQuotas(tier: Tier, slots: number, partitionCount: number): void {
  tier.quota = slots;
  const wanted = tier.children.map((child) => ({ child, share: child.target * partitionCount }));
  for (const { child, share } of wanted) child.quota = wholeOf(share);
  let odd = slots - tier.children.reduce((total, child) => total + child.quota, 0);
  const takers = wanted
    .filter(({ child, share }) => share - child.quota > fractionMin)
    .map(({ child, share }) => ({ child, fraction: share - child.quota, holds: child.held > child.quota ? 1 : 0 }))
    .sort((a, b) => b.holds - a.holds || b.fraction - a.fraction || compareNames(a.child, b.child));
  for (const { child } of takers) {
    if (odd <= 0) break;
    child.quota += 1;
    odd -= 1;
  }
  for (const child of tier.children) setQuotas(child, child.quota, partitionCount);
}

/** A share is a sum of doubles times a partition count: closer than this to a whole number, it is one. */
const fractionMin = 1e-5;

function wholeOf(share: number): number {
  return Math.floor(share + fractionMin);
}

function compareNames(a: Tier, b: Tier): number {
  return a.name < b.name ? -1 : 1;
}
