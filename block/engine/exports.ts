/** The exports of a volume's attachments: what is in the daemon is made to match what is in the state. */
import { Fault } from '../../fabric/errors.ts';
import { type Attachment, engineFaults, TRANSPORTS } from './contract.ts';
import { dropExport, exportIds, NODES, nodeNames } from './graph.ts';
import type { Qmp } from './qmp.ts';
import type { AttachmentState } from './state-format.ts';
import type { VolumeContext } from './volume-context.ts';

const PREFIX = 'a-';
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const SECRET = /^[0-9a-f]{64}$/;

export function checkAttachment(attachment: AttachmentState): void {
  if (!NAME.test(attachment.attachmentId)) throw new Fault(engineFaults.badRequest, { field: 'attachmentId' });
  if (attachment.secretHex !== undefined && !SECRET.test(attachment.secretHex))
    throw new Fault(engineFaults.badRequest, { field: 'secretHex' });
  if (!Object.values(TRANSPORTS).includes(attachment.transport))
    throw new Fault(engineFaults.badRequest, { field: 'transport' });
}

export async function addExport(context: VolumeContext, qmp: Qmp, attachment: AttachmentState): Promise<void> {
  // While a fill ends, a mirror stands above `top`: whoever writes below it is not heard.
  const mirrored = (await nodeNames(qmp)).has(NODES.pivot);
  const common = {
    id: PREFIX + attachment.attachmentId,
    'node-name': mirrored ? NODES.pivot : NODES.top,
    writable: !attachment.readOnly,
    // An overlay's tables are in the daemon's memory until a flush: a write that was answered must outlive the daemon.
    writethrough: context.state.phase === 'filling',
  };
  if (attachment.transport !== TRANSPORTS.vhostUserBlk) {
    await qmp.command('block-export-add', { type: 'nbd', name: attachment.attachmentId, ...common });
    return;
  }
  const path = context.paths.vhostSocket(attachment.attachmentId);
  await context.world.disk.remove(path);
  await qmp.command('block-export-add', { type: 'vhost-user-blk', addr: { type: 'unix', path }, ...common });
}

export async function removeExport(context: VolumeContext, qmp: Qmp, attachmentId: string): Promise<void> {
  await dropExport(qmp, context.world.clock, PREFIX + attachmentId);
  await context.world.disk.remove(context.paths.vhostSocket(attachmentId));
}

export async function syncExports(context: VolumeContext, qmp: Qmp): Promise<void> {
  const wanted = new Map(context.state.attachments.map((one) => [PREFIX + one.attachmentId, one]));
  const there = await exportIds(qmp);
  for (const id of there)
    if (id.startsWith(PREFIX) && !wanted.has(id)) await removeExport(context, qmp, id.slice(PREFIX.length));
  for (const [id, attachment] of wanted) if (!there.has(id)) await addExport(context, qmp, attachment);
}

export async function dropAllExports(context: VolumeContext, qmp: Qmp): Promise<void> {
  for (const { attachmentId } of context.state.attachments) await removeExport(context, qmp, attachmentId);
}

/** Exports made while the volume was filled flush after each write. A vhost-user one stays so: its client may not reconnect. */
export async function renewExports(context: VolumeContext, qmp: Qmp): Promise<void> {
  const nbd = context.state.attachments.filter((one) => one.transport !== TRANSPORTS.vhostUserBlk);
  if (nbd.length === 0) return;
  await hideExports(context);
  for (const { attachmentId } of nbd) await removeExport(context, qmp, attachmentId);
  await syncExports(context, qmp);
  await showExports(context);
}

/** Until `showExports`, so that a client that reconnects is not told that its export is unknown. */
export async function hideExports({ world, paths }: VolumeContext): Promise<void> {
  if (await world.files.size(paths.nbdSocket)) await world.files.rename(paths.nbdSocket, paths.nbdSocketHidden);
}

export async function showExports({ world, paths }: VolumeContext): Promise<void> {
  if (await world.files.size(paths.nbdSocketHidden)) await world.files.rename(paths.nbdSocketHidden, paths.nbdSocket);
}

export function describeAttachment(context: VolumeContext, attachment: AttachmentState): Attachment {
  const { attachmentId, transport, readOnly, secretHex, host, port } = attachment;
  const uris = {
    [TRANSPORTS.unix]: `nbd+unix:///${attachmentId}?socket=${context.paths.nbdSocket}`,
    [TRANSPORTS.tcp]: `nbds://${attachmentId}@${host}:${port}/${attachmentId}`,
    [TRANSPORTS.vhostUserBlk]: `unix:${context.paths.vhostSocket(attachmentId)}`,
  };
  return {
    attachmentId,
    transport,
    readOnly,
    uri: uris[transport],
    sizeBytes: context.state.sizeBytes,
    ...(secretHex !== undefined && { secretHex }),
  };
}
