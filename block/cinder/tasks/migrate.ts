/**
 * A detached volume moves to another host: a snapshot here, the volume of it there until it stands on its own, then the row says
 * so, then what is left here goes. Until the row says so the volume is where it was.
 */
import type { WriteTx } from '../../../control/contract.ts';
import type { Call } from '../../../control/service/types.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import { type Cinder, startTask } from '../cinder.ts';
import { limitsOf } from '../model/limits.ts';
import { taskMessage } from '../model/messages.ts';
import { allocate, isMultiattach } from '../model/scheduler.ts';
import { snapshots, types, volumes } from '../tables.ts';
import { settleType } from './change-volume.ts';
import { GIB } from './create-volume.ts';
import { dropSnapshot } from './delete-snapshot.ts';
import { dropFiles } from './delete-volume.ts';
import { change, type Ended, kind, row } from './kind.ts';
import { addLeftovers, forgetLeftovers } from './leftovers.ts';
import { type AnyStep, Patience } from './patience.ts';
import { take } from './snapshot.ts';

export const MIGRATE_VOLUME = 'cinder.migrate-volume';

export interface MigrateInput {
  readonly volumeId: string;
  readonly from: string;
  readonly to: string;
  /** Of the snapshot that carries the bytes. */
  readonly snapshotId: string;
  /** A retype that needs another host. */
  readonly toTypeId?: string;
}

export function migrateKind(cinder: Cinder) {
  return kind<MigrateInput>(cinder, {
    name: MIGRATE_VOLUME,
    steps: [
      { name: 'snapshot', run: (step) => carry(cinder, step) },
      { name: 'restore', run: (step) => restore(cinder, step) },
      {
        name: 'switch',
        run: async (step) => ({ commit: (tx) => switchOver(cinder, tx, step.task.input) }),
      },
      { name: 'tidy', run: (step) => tidy(cinder, step, step.task.input, 'from') },
    ],
    async cleanup(step) {
      const { input, stepsDone } = step.task;
      await tidy(cinder, step, input, stepsDone >= SWITCHED ? 'from' : 'to');
    },
    settle: (tx, ended) => settle(cinder, tx, ended),
  });
}

/** Steps after which the volume is at the other host. */
const SWITCHED = 3;

async function carry(cinder: Cinder, step: StepContext<MigrateInput>): Promise<void> {
  const { volumeId, from, snapshotId } = step.task.input;
  const volume = await row(step, volumes, volumeId);
  if (volume === undefined) return;
  const asked = { volume: volumeId, snapshot: snapshotId, name: 'migration' };
  await take(cinder, step, { host: from, lineage: volume.lineage, asked });
}

async function restore(cinder: Cinder, step: StepContext<MigrateInput>): Promise<void> {
  const { volumeId, to, snapshotId, toTypeId } = step.task.input;
  const volume = await row(step, volumes, volumeId);
  if (volume === undefined) return;
  const { lineage, name, sizeGb, typeId } = volume;
  const limits = await step.read((tx) => limitsOf(tx, { typeId: toTypeId ?? typeId, sizeGb }));
  const patience = new Patience(cinder, step);
  const source = { snapshot: { lineage, snapshot: snapshotId } };
  const asked = { id: volumeId, name: name ?? '', sizeBytes: sizeGb * GIB, lineage, limits, source };
  await patience.call(to, 'createVolume', asked, { throughBusy: true });
  await patience.filled(to, volumeId);
}

async function switchOver(cinder: Cinder, tx: WriteTx, { volumeId: id, from, to, toTypeId }: MigrateInput) {
  const volume = await volumes.get(tx, id);
  if (volume === undefined) return;
  const type = toTypeId === undefined ? undefined : await types.get(tx, toTypeId);
  const typed = type ? { typeId: type.id, multiattach: isMultiattach(type) } : {};
  if (type) await settleType(cinder, tx, { volume, givenUp: volume.typeId });
  await change(cinder, tx, volumes, { id, host: to, zone: cinder.hosts.zoneOf(to), ...typed });
  for (const one of await snapshots.by(tx, 'volume', id)) await change(cinder, tx, snapshots, { id: one.id, host: to });
  await allocate(tx, from, -volume.sizeGb);
}

/** The volume's files at one of the hosts, and the snapshot that carried them. */
async function tidy(cinder: Cinder, step: AnyStep & Pick<StepContext, 'read'>, input: MigrateInput, at: 'from' | 'to') {
  const { volumeId, snapshotId, from, to } = input;
  const patience = new Patience(cinder, step);
  const volume = await step.read((tx) => volumes.get(tx, volumeId));
  await dropFiles(patience, { host: at === 'from' ? from : to, id: volumeId, force: true });
  if (volume) await dropSnapshot(cinder, step, { host: from, lineage: volume.lineage, snapshot: snapshotId });
}

async function settle(
  cinder: Cinder,
  tx: WriteTx,
  { task, ending, error }: Ended<MigrateInput, unknown>,
): Promise<void> {
  const { volumeId: id, to, toTypeId } = task.input;
  const volume = await volumes.get(tx, id);
  if (volume === undefined) return;
  const moved = task.stepsDone >= SWITCHED;
  if (!moved) {
    await allocate(tx, to, -volume.sizeGb);
    if (toTypeId !== undefined) await settleType(cinder, tx, { volume, givenUp: toTypeId });
  }
  await change(cinder, tx, volumes, { id, status: 'available', migrationStatus: moved ? 'success' : 'error' });
  if (ending === 'done') await forgetLeftovers(tx, task.id);
  else await taskMessage(tx, cinder, { event: 'migrate', row: volume }, { task, error });
}

/** In the transaction that starts the task. */
export async function startMigration(
  cinder: Cinder,
  tx: WriteTx,
  { input, lineage, call }: { readonly input: MigrateInput; readonly lineage: string; readonly call: Call },
): Promise<void> {
  const { volumeId, from, to, snapshotId } = input;
  const task = startTask(cinder, tx, { kind: MIGRATE_VOLUME, input, resource: `volume/${volumeId}`, call });
  await addLeftovers(cinder, tx, task, [
    { host: from, volumeId },
    { host: to, volumeId },
    { host: to, place: { lineage, snapshot: snapshotId } },
  ]);
}
