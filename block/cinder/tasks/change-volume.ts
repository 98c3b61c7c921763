/**
 * Changes of a volume that stays where it is: growth, limits of its type, another type. What a host refuses leaves the volume as
 * it was, with a message; `error_extending` is for a growth of which nobody knows whether it happened.
 */
import type { WriteTx } from '../../../control/contract.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import { isFault } from '../../../fabric/errors.ts';
import type { Cinder } from '../cinder.ts';
import { isPassing } from '../model/hosts.ts';
import { limitsOf } from '../model/limits.ts';
import { taskMessage } from '../model/messages.ts';
import { growthAmounts, volumeAmounts } from '../model/quota-amounts.ts';
import { allocate, isMultiattach } from '../model/scheduler.ts';
import { typeName } from '../model/types.ts';
import { statusByAttachments } from '../model/volume-status.ts';
import { types, type VolumeRow, volumes } from '../tables.ts';
import { GIB } from './create-volume.ts';
import { change, kind, row } from './kind.ts';
import { isGone, Patience } from './patience.ts';

export const EXTEND_VOLUME = 'cinder.extend-volume';
export const RETYPE_VOLUME = 'cinder.retype-volume';
export const APPLY_LIMITS = 'cinder.apply-limits';

export interface ExtendInput {
  readonly volumeId: string;
  readonly fromGb: number;
  readonly toGb: number;
}

export function extendKind(cinder: Cinder) {
  return kind<ExtendInput, { readonly refused?: boolean } | undefined>(cinder, {
    name: EXTEND_VOLUME,
    steps: [{ name: 'grow', run: (step) => grow(cinder, step) }],
    async settle(tx, { task, ending, error }) {
      const { volumeId: id, fromGb, toGb } = task.input;
      const volume = await volumes.get(tx, id);
      if (volume === undefined) return;
      const before = await statusByAttachments(tx, id);
      if (ending === 'done') {
        await change(cinder, tx, volumes, { id, status: before, sizeGb: toGb });
        return;
      }
      const name = await typeName(tx, volume.typeId);
      await cinder.quotas.take(tx, volume.projectId, growthAmounts(fromGb - toGb, name));
      if (volume.host !== undefined) await allocate(tx, volume.host, fromGb - toGb);
      await change(cinder, tx, volumes, { id, status: task.data?.refused ? before : 'error_extending' });
      await taskMessage(tx, cinder, { event: 'extend', row: volume }, { task, error });
    },
  });
}

async function grow(
  cinder: Cinder,
  step: StepContext<ExtendInput, { readonly refused?: boolean } | undefined>,
): Promise<void> {
  const { volumeId, toGb } = step.task.input;
  const volume = await row(step, volumes, volumeId);
  if (volume?.host === undefined) return;
  const patience = new Patience(cinder, step);
  try {
    // One made from a snapshot is in use long before it is filled: it grows as soon as it can, and says `extending` so long.
    const asked = { id: volumeId, sizeBytes: toGb * GIB };
    await patience.call(volume.host, 'extendVolume', asked, { throughBusy: true });
    await limit(patience, volume, await step.read((tx) => limitsOf(tx, { ...volume, sizeGb: toGb })));
  } catch (error) {
    if (isFault(error) && !isPassing(error)) await step.save({ refused: true });
    throw error;
  }
}

/** Without limits nothing is asked: a host that keeps none has none to lift, unless it had. */
export async function limit(patience: Patience, { host, id }: VolumeRow, limits: Awaited<ReturnType<typeof limitsOf>>) {
  if (host === undefined) return;
  try {
    const view = await patience.call(host, 'volume', { id });
    const isSame = JSON.stringify(sorted(view.limits)) === JSON.stringify(sorted(limits));
    if (!isSame) await patience.call(host, 'limitVolume', { id, limits });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

const sorted = (limits: object): unknown => Object.entries(limits).sort(([a], [b]) => (a < b ? -1 : 1));

export interface RetypeInput {
  readonly volumeId: string;
  readonly fromTypeId: string;
  readonly toTypeId: string;
}

/** On the same host; one that has to move is a migration (migrate.ts). */
export function retypeKind(cinder: Cinder) {
  return kind<RetypeInput>(cinder, {
    name: RETYPE_VOLUME,
    steps: [
      {
        name: 'limits',
        async run(step) {
          const { volumeId, toTypeId } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          if (volume === undefined) return;
          const limits = await step.read((tx) => limitsOf(tx, { ...volume, typeId: toTypeId }));
          await limit(new Patience(cinder, step), volume, limits);
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { volumeId: id, fromTypeId, toTypeId } = task.input;
      const volume = await volumes.get(tx, id);
      if (volume === undefined) return;
      const done = ending === 'done';
      await settleType(cinder, tx, { volume, givenUp: done ? fromTypeId : toTypeId });
      const type = await types.get(tx, toTypeId);
      const status = await statusByAttachments(tx, id);
      const changed = done && type ? { typeId: toTypeId, multiattach: isMultiattach(type) } : {};
      await change(cinder, tx, volumes, { id, status, ...changed });
      if (!done) await taskMessage(tx, cinder, { event: 'retype', row: volume }, { task, error });
    },
  });
}

/** What the type that the volume does not end in was charged, goes back; the common counts stay. */
export async function settleType(
  { quotas }: Cinder,
  tx: WriteTx,
  { volume, givenUp }: { readonly volume: VolumeRow; readonly givenUp: string },
): Promise<void> {
  const { volumes: _, gigabytes: __, ...own } = volumeAmounts(volume.sizeGb, await typeName(tx, givenUp), -1);
  await quotas.take(tx, volume.projectId, own);
}

export interface LimitsInput {
  readonly typeIds: readonly string[];
}

/** Of all volumes of these types, attached or not. */
export function limitsKind(cinder: Cinder) {
  return kind<LimitsInput>(cinder, {
    name: APPLY_LIMITS,
    steps: [
      {
        name: 'limits',
        run: (step) => limitAll(cinder, step),
      },
    ],
    async settle() {},
  });
}

/** One host that does not answer keeps no other from being told; what it missed it is told with the next attachment. */
async function limitAll(cinder: Cinder, step: StepContext<LimitsInput>): Promise<void> {
  const patience = new Patience(cinder, step);
  const failed: unknown[] = [];
  for (const typeId of step.task.input.typeIds) {
    const all = await step.read((tx) => volumes.by(tx, 'type', typeId));
    for (const volume of all.filter(({ status }) => status !== 'creating' && status !== 'deleting')) {
      try {
        await limit(patience, volume, await step.read((tx) => limitsOf(tx, volume)));
      } catch (error) {
        failed.push(error);
      }
      step.progress(0);
    }
  }
  if (failed.length > 0) throw failed[0];
}
