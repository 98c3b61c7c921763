/** A volume's row becomes a volume on its host: empty, of a snapshot or backup (served at once, filled behind), or a copy. */

import type { SnapshotPlace } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { limitsOf } from '../model/limits.ts';
import { taskMessage } from '../model/messages.ts';
import { volumes } from '../tables.ts';
import { change, kind, row } from './kind.ts';
import { Patience } from './patience.ts';

export const GIB = 2 ** 30;

export interface CreateInput {
  readonly volumeId: string;
  readonly source?: { readonly snapshot: SnapshotPlace } | { readonly volume: string };
}

export const CREATE_VOLUME = 'cinder.create-volume';

export function createVolumeKind(cinder: Cinder) {
  return kind<CreateInput>(cinder, {
    name: CREATE_VOLUME,
    steps: [
      {
        name: 'make',
        async run(step) {
          const { volumeId, source } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          if (volume?.host === undefined) return;
          const limits = await step.read((tx) => limitsOf(tx, volume));
          const { host, lineage, name, sizeGb } = volume;
          const patience = new Patience(cinder, step);
          const asked = { id: volumeId, name: name ?? '', sizeBytes: sizeGb * GIB, lineage, limits };
          await patience.call(host, 'createVolume', { ...asked, ...(source && { source }) }, { throughBusy: true });
          await patience.made(host, volumeId);
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const status = ending === 'done' ? 'available' : 'error';
      const volume = await change(cinder, tx, volumes, { id: task.input.volumeId, status });
      if (volume && ending !== 'done') await taskMessage(tx, cinder, { event: 'create', row: volume }, { task, error });
    },
  });
}
