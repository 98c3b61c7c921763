/**
 * Mark and sweep, a step a call. What no tree refers to is condemned, durably, and from then on no upload may refer to it; what
 * is still unmarked at a later step, when every upload in work began after the condemnation, is deleted. No clock takes part
 * in that. State changes by compare-and-swap, and a name that was deleted is never written again, so a collector that was put
 * out of office can do no harm, however late it finds out. ADR 14 has the argument step by step.
 */
import { isFault } from '../../fabric/errors.ts';
import { LineageCollector, type StepResult } from './collect-lineage.ts';
import { readMarkers } from './collector-view.ts';
import type { Collector, CollectorOptions, CollectResult } from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { claimOwnership } from './owner.ts';
import type { World } from './world.ts';

const ABANDON_MS = 7 * 24 * 60 * 60 * 1000;

/** Beside these everything is a bug or somebody else's office, and ends the call. */
const STOPS: ReadonlySet<string> = new Set([
  repositoryFaults.preconditionFailed,
  repositoryFaults.corrupt,
  repositoryFaults.noSuchObject,
  repositoryFaults.noSuchLineage,
  repositoryFaults.listingIncomplete,
  repositoryFaults.unknownFormat,
  repositoryFaults.storeUnavailable,
  repositoryFaults.storeRefused,
]);

export async function openCollector(
  world: World,
  { holder, abandonMs = ABANDON_MS }: CollectorOptions,
): Promise<Collector> {
  const owner = await claimOwnership(world, holder);
  const lineages = new Map<string, LineageCollector>();
  const collectOne = async (lineage: string): Promise<StepResult | { readonly stopped: string }> => {
    const one = lineages.get(lineage) ?? new LineageCollector({ world, lineage, owner, abandonMs });
    lineages.set(lineage, one);
    try {
      return await one.step();
    } catch (error) {
      if (!isFault(error) || !STOPS.has(error.code)) throw error;
      // Put out of office meanwhile: then somebody else's work looks like damage.
      await owner.check();
      if (error.code === repositoryFaults.preconditionFailed || (await one.stateChanged()))
        return { stopped: 'the state changed' };
      return { stopped: `${error.code} ${String(error.details['reason'] ?? error.details['name'] ?? '')}`.trim() };
    }
  };
  return {
    epoch: owner.epoch,
    async collect() {
      const markers = await readMarkers(world.client);
      if (markers.length === 0) return NOTHING;
      await owner.check();
      let result = NOTHING;
      for (const lineage of new Set(markers.map((marker) => marker.lineage)))
        result = add(result, lineage, await collectOne(lineage));
      return result;
    },
  };
}

const NOTHING: CollectResult = { idle: true, condemned: 0, swept: 0, waiting: [], stopped: [] };

function add(sum: CollectResult, lineage: string, step: StepResult | { readonly stopped: string }): CollectResult {
  if ('stopped' in step) return { ...sum, idle: false, stopped: [...sum.stopped, { lineage, reason: step.stopped }] };
  return {
    ...sum,
    idle: sum.idle && step.idle,
    condemned: sum.condemned + step.condemned,
    swept: sum.swept + step.swept,
    waiting: step.waiting ? [...sum.waiting, lineage] : sum.waiting,
  };
}
