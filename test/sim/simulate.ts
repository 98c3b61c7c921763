/** One seed from beginning to end: a cluster is made, worked and hurt, healed, and what it told its clients is judged. */

import type { ObjectInfo } from '../../proxy/object/contract.ts';
import type { Action, Attempt, Mix } from './attempt.ts';
import type { Chance } from './chance.ts';
import { History } from './history.ts';
import { Nemesis } from './nemesis.ts';
import type { Plant } from './plants.ts';
import { agrees, converged, survives } from './rules.ts';
import { SimCluster } from './sim-cluster.ts';
import { type KeptVersion, keepsVersions, listsVersions } from './version-rules.ts';
import { type Weights, Workload } from './workload.ts';

const STEPS_MAX = 2_000_000;
/** Share of acknowledged writes after which it is looked what a power failure would leave. */
const PROBE_SHARE = 0.1;
/** From the last fault until nothing is left to be done: unsettled operations wait 15 s for their writer alone. */
const SETTLED_WITHIN_MS = 120_000;
const CONTAINERS = ['one', 'two'];
const OBJECTS = ['a/1', 'a/2', 'b', 'c/d/1'];

/**
 * What the clients do most. `all`: everything, drawn anew for each seed. `race`: conditional writers on one name through
 * different proxies, of which one at a time may win. `reads`: writes, deletes and reads of one name.
 * `versions`: writers and deleters of a few names in a versioned container. `stacks`: the same and deleters of versions, in one
 * container whose versioning is switched on and off and in one with locks; each name is judged as a stack of versions.
 */
export const FOCUSES = ['all', 'race', 'reads', 'versions', 'stacks'] as const;
export type Focus = (typeof FOCUSES)[number];

const FOCUSED: Readonly<Record<Exclude<Focus, 'all'>, Weights>> = {
  race: { putIfAbsent: 8, putIfMatch: 4, get: 3, delete: 3, put: 1, list: 1, createExclusively: 1 },
  reads: { put: 5, get: 12, head: 3, delete: 3, list: 1 },
  versions: { put: 6, get: 4, delete: 2, list: 1, putIfAbsent: 2, copy: 1, multipart: 1, deleteContainer: 1 },
  stacks: {
    stackPut: 12,
    stackPutIfAbsent: 4,
    stackPutIfMatch: 4,
    stackDelete: 4,
    stackDeleteIfMatch: 2,
    stackGet: 4,
    stackGetVersion: 3,
    stackDeleteVersion: 8,
    stackHold: 3,
    stackList: 3,
    stackSwitch: 1,
  },
};

export interface SimulateOptions {
  readonly seed: number;
  readonly operations: number;
  readonly focus?: Focus;
  readonly plant?: Plant | undefined;
  readonly print?: ((line: string) => void) | undefined;
}

export interface Report {
  readonly seed: number;
  /** Text of the broken rule. */
  readonly violation: string | undefined;
  readonly tail: readonly string[];
  readonly traceHash: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  readonly events: number;
  readonly simulatedMs: number;
  readonly undecided: number;
}

export async function simulate({ seed, operations, focus = 'all', plant, print }: SimulateOptions): Promise<Report> {
  const cluster = new SimCluster({ seed, ...(plant ? { plant } : {}), print });
  const history = new History();
  const nemesis = new Nemesis(cluster);
  const kept: KeptVersion[] = [];
  const workload = makeWorkload(cluster, history, { operations, focus, kept });
  let violation: string | undefined;
  try {
    await cluster.scheduler.run(scenario(cluster, nemesis, { workload, kept }), STEPS_MAX);
    violation = history.violation();
  } catch (error) {
    violation = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  if (violation) cluster.trace.add('VIOLATION', violation.split('\n')[0] as string);
  return {
    seed,
    violation,
    tail: cluster.trace.tail(),
    traceHash: cluster.trace.digest(),
    counts: workload.counts,
    faults: nemesis.counts,
    events: cluster.scheduler.steps,
    simulatedMs: cluster.scheduler.nowMs,
    undecided: history.undecided,
  };
}

async function scenario(
  cluster: SimCluster,
  nemesis: Nemesis,
  { workload, kept }: { workload: Workload; kept: readonly KeptVersion[] },
): Promise<void> {
  await cluster.start();
  await cluster.scheduler.sleep(500);
  await workload.prepare();
  nemesis.begin();
  const hurting = nemesis.run();
  await workload.run();
  await nemesis.heal();
  await hurting;
  await settle(cluster);
  await workload.look();
  await agrees(cluster, workload.mix);
  await keepsVersions(cluster, kept);
  if (workload.mix.stacks) await listsVersions(cluster, workload.mix);
}

/** Nothing new comes in: within a bound everything is delivered, finished and the same everywhere. */
async function settle(cluster: SimCluster): Promise<void> {
  const deadlineMs = cluster.scheduler.nowMs + SETTLED_WITHIN_MS;
  let problem: string | undefined = 'not looked at yet';
  while (problem !== undefined) {
    if (cluster.scheduler.nowMs > deadlineMs)
      throw new Error(`not settled ${SETTLED_WITHIN_MS / 1000} s after healing:\n${problem}`);
    await cluster.scheduler.sleep(2_000);
    problem = converged(cluster);
  }
}

function makeWorkload(
  cluster: SimCluster,
  history: History,
  { operations, focus, kept }: { operations: number; focus: Focus; kept: KeptVersion[] },
): Workload {
  const chance = cluster.chance.fork('mix');
  const { mix, weights } = focus === 'all' ? anyMix(chance) : (MIXES[focus]?.(chance) ?? oneName(FOCUSED[focus]));
  const probe = cluster.chance.fork('probe');
  const answered = (attempt: Attempt, { writes }: Action, value: unknown): Promise<void> | undefined => {
    const { versionId, etag } = (value ?? {}) as Partial<ObjectInfo>;
    // A stack says itself what must be there.
    if (writes && versionId !== undefined && etag !== undefined && !mix.stacks)
      kept.push({ ref: writes, versionId, etag });
    if (!writes || value === undefined || !probe.often(PROBE_SHARE)) return undefined;
    return survives(cluster, attempt, writes, (value as ObjectInfo).stamp);
  };
  return new Workload({ cluster, history, mix, weights, clients: 2 + chance.below(4), operations, answered });
}

const oneName = (weights: Weights): { mix: Mix; weights: Weights } => ({
  mix: { containers: CONTAINERS.slice(0, 1), objects: OBJECTS.slice(0, 1), blobShare: 0 },
  weights,
});

const versions = (): { mix: Mix; weights: Weights } => ({
  mix: { containers: CONTAINERS.slice(0, 1), objects: OBJECTS.slice(0, 2), blobShare: 0.2, versioned: true },
  weights: FOCUSED.versions,
});

/** The very first switch is none for writers on their way: who still knows of no versions overwrites (ADR 9). */
const STACKS = { one: { versioning: 'Enabled' }, two: { versioning: 'Enabled', objectLock: {} } };

const stacks = (chance: Chance): { mix: Mix; weights: Weights } => ({
  mix: { containers: CONTAINERS, objects: OBJECTS.slice(0, 2), blobShare: chance.pick([0, 0.2]), stacks: STACKS },
  weights: FOCUSED.stacks,
});

const MIXES: Partial<Record<Focus, (chance: Chance) => { mix: Mix; weights: Weights }>> = { versions, stacks };

function anyMix(chance: Chance): { mix: Mix; weights: Weights } {
  const mix: Mix = {
    containers: CONTAINERS.slice(0, 1 + chance.below(2)),
    objects: OBJECTS.slice(0, 1 + chance.below(OBJECTS.length)),
    blobShare: chance.pick([0, 0, 0.1, 0.4]),
  };
  const few = (most: number): number => chance.pick([0, 1, 1, most]);
  const weights: Weights = {
    put: 6,
    get: 6,
    head: 2,
    delete: few(5),
    list: few(6),
    putIfAbsent: few(4),
    putIfMatch: few(4),
    post: few(3),
    copy: few(2),
    multipart: chance.pick([0, 0, 1]),
    create: few(2),
    createExclusively: few(1),
    deleteContainer: few(3),
  };
  return { mix, weights };
}
