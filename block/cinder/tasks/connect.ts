/** An attachment is opened at its volume's host, or closed; its row and the volume's status follow. */
import type { WriteTx } from '../../../control/contract.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import { Fault } from '../../../fabric/errors.ts';
import type { Cinder } from '../cinder.ts';
import { type Connector, connectionInfo, transportOf } from '../model/connection.ts';
import { limitsOf } from '../model/limits.ts';
import { taskMessage } from '../model/messages.ts';
import { followAttachments } from '../model/volume-status.ts';
import { cinderFaults } from '../refusals.ts';
import { attachments, connections, volumes } from '../tables.ts';
import { limit } from './change-volume.ts';
import { kind, row } from './kind.ts';
import { isGone, Patience } from './patience.ts';

export interface ConnectInput {
  /** Of the attachment's row, or of the connection's. */
  readonly id: string;
  readonly volumeId: string;
  readonly connector: Connector;
  readonly readOnly: boolean;
  /** Old style: os-initialize_connection, a row among `connections`. */
  readonly plain: boolean;
}

export interface DisconnectInput {
  readonly id: string;
  readonly volumeId: string;
  readonly plain: boolean;
}

export const CONNECT = 'cinder.connect';
export const DISCONNECT = 'cinder.disconnect';

export function connectKind(cinder: Cinder) {
  return kind<ConnectInput>(cinder, {
    name: CONNECT,
    steps: [{ name: 'open', run: (step) => open(cinder, step) }],
    async settle(tx, { task, ending, error }) {
      const { id, volumeId, plain } = task.input;
      if (ending !== 'done') {
        const attachment = plain ? undefined : await attachments.get(tx, id);
        if (attachment) await attachments.put(tx, { ...attachment, status: 'error_attaching' });
        const volume = await volumes.get(tx, volumeId);
        if (volume) await taskMessage(tx, cinder, { event: 'attach', row: volume }, { task, error });
      }
      if (!plain) await followAttachments(cinder, tx, volumeId);
    },
  });
}

async function open(cinder: Cinder, step: StepContext<ConnectInput>) {
  const { id, volumeId, connector, readOnly, plain } = step.task.input;
  const volume = await row(step, volumes, volumeId);
  if (volume?.host === undefined) throw new Fault(cinderFaults.hostDown, {}, `Volume ${volumeId} is on no host.`);
  const { host } = volume;
  const asked = { id: volumeId, attachment: id, transport: transportOf(connector, host), readOnly };
  const patience = new Patience(cinder, step);
  const limits = await step.read((tx) => limitsOf(tx, volume));
  await limit(patience, volume, limits);
  const attachment = await patience.call(host, 'attachVolume', asked);
  const connection = connectionInfo({ attachment, volumeId, host, limits });
  const commit = async (tx: WriteTx): Promise<void> => {
    if (plain) {
      await connections.put(tx, { id, volumeId, connector, connection });
      return;
    }
    const before = await attachments.get(tx, id);
    const hostName = typeof connector['host'] === 'string' ? connector['host'] : undefined;
    const mountpoint = typeof connector['mountpoint'] === 'string' ? connector['mountpoint'] : undefined;
    if (before)
      await attachments.put(tx, {
        ...before,
        ...{ connector, connection, status: before.status === 'attached' ? 'attached' : 'attaching' },
        ...{ hostName: hostName ?? before.hostName, mountpoint: mountpoint ?? before.mountpoint },
      });
  };
  return { commit };
}

export function disconnectKind(cinder: Cinder) {
  return kind<DisconnectInput>(cinder, {
    name: DISCONNECT,
    steps: [
      {
        name: 'close',
        async run(step) {
          const { id, volumeId } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          if (volume?.host === undefined) return;
          try {
            await new Patience(cinder, step).call(volume.host, 'detachVolume', { id: volumeId, attachment: id });
          } catch (error) {
            if (!isGone(error)) throw error;
          }
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { id, volumeId, plain } = task.input;
      if (ending === 'done') await (plain ? connections : attachments).remove(tx, id);
      else {
        const attachment = plain ? undefined : await attachments.get(tx, id);
        if (attachment) await attachments.put(tx, { ...attachment, status: 'error_detaching' });
        const volume = await volumes.get(tx, volumeId);
        if (volume) await taskMessage(tx, cinder, { event: 'detach', row: volume }, { task, error });
      }
      if (!plain) await followAttachments(cinder, tx, volumeId);
    },
  });
}
