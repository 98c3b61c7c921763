/** A snapshot is taken at its volume's host: the moment is there in milliseconds, `available` once it is durable. */
import type { StepContext } from '../../../control/tasks/contract.ts';
import { Fault } from '../../../fabric/errors.ts';
import { type SnapshotPlace, type SnapshotView, type TakeSnapshot, volumeFaults } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { taskMessage } from '../model/messages.ts';
import { snapshots, volumes } from '../tables.ts';
import type { SnapshotInput } from './delete-snapshot.ts';
import { change, kind, row } from './kind.ts';
import { type AnyStep, Patience } from './patience.ts';

export const CREATE_SNAPSHOT = 'cinder.create-snapshot';
export const REVERT_VOLUME = 'cinder.revert-volume';

export function createSnapshotKind(cinder: Cinder) {
  return kind<SnapshotInput>(cinder, {
    name: CREATE_SNAPSHOT,
    steps: [{ name: 'take', run: (step) => takeIt(cinder, step) }],
    async settle(tx, { task, ending, error }) {
      const { snapshotId: id } = task.input;
      const done = ending === 'done';
      const changes = done ? { status: 'available', progress: '100%' } : { status: 'error' };
      const snapshot = await change(cinder, tx, snapshots, { id, ...changes });
      if (snapshot && !done) await taskMessage(tx, cinder, { event: 'snapshotCreate', row: snapshot }, { task, error });
    },
  });
}

async function takeIt(cinder: Cinder, step: StepContext<SnapshotInput>): Promise<void> {
  const snapshot = await row(step, snapshots, step.task.input.snapshotId);
  if (snapshot === undefined) return;
  const { id, volumeId, host, name, lineage } = snapshot;
  await take(cinder, step, { host, lineage, asked: { volume: volumeId, snapshot: id, name: name ?? '' } });
}

export interface Taking {
  readonly host: string;
  /** Where it will be. */
  readonly lineage: string;
  readonly asked: TakeSnapshot;
}

/** Resolves when it is durable; throws why it failed. */
export async function take(cinder: Cinder, step: AnyStep, { host, lineage, asked }: Taking): Promise<SnapshotView> {
  const patience = new Patience(cinder, step);
  const { volume } = asked;
  // Rows decide whose chunks may be shared; a host that was not told of a change of hands, or of its failure, is told now.
  if (!asked.alone) await patience.call(host, 'moveVolume', { id: volume, lineage }, { throughBusy: true });
  const taken = await patience.call(host, 'takeSnapshot', asked, { throughBusy: true });
  if (taken.lineage !== lineage)
    throw new Fault(volumeFaults.broken, {}, `the snapshot is in lineage ${taken.lineage}, not in ${lineage}`);
  return stored(patience, step, { host, place: { lineage, snapshot: asked.snapshot } });
}

export function stored(
  patience: Patience,
  step: AnyStep,
  { host, place }: { readonly host: string; readonly place: SnapshotPlace },
): Promise<SnapshotView> {
  return patience.until(async () => {
    const view = await patience.call(host, 'snapshot', place);
    if (view.status === 'error') throw new Fault(volumeFaults.broken, {}, view.error ?? 'the snapshot failed');
    const { progress } = view;
    if (progress && progress.totalBytes > 0) step.progress(progress.doneBytes / progress.totalBytes);
    return view.status === 'creating' ? undefined : view;
  });
}

export interface RevertInput {
  readonly volumeId: string;
  readonly snapshotId: string;
}

export function revertKind(cinder: Cinder) {
  return kind<RevertInput>(cinder, {
    name: REVERT_VOLUME,
    steps: [
      {
        name: 'revert',
        async run(step) {
          const { volumeId, snapshotId } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          const snapshot = await row(step, snapshots, snapshotId);
          if (volume?.host === undefined || snapshot === undefined) return;
          const place = { lineage: snapshot.lineage, snapshot: snapshotId };
          const asked = { id: volumeId, snapshot: place };
          await new Patience(cinder, step).call(volume.host, 'revertVolume', asked, { throughBusy: true });
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { volumeId, snapshotId } = task.input;
      await change(cinder, tx, snapshots, { id: snapshotId, status: 'available' });
      const status = ending === 'done' ? 'available' : 'error';
      const volume = await change(cinder, tx, volumes, { id: volumeId, status });
      if (volume && ending !== 'done') await taskMessage(tx, cinder, { event: 'revert', row: volume }, { task, error });
    },
  });
}
