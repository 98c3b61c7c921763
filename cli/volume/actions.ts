/** What the volume commands do: one call each, and what it says for people. */
import { randomUUID } from 'node:crypto';
import type { Attachment, Transport, VolumeView } from '../../block/volumes/contract.ts';
import {
  type CommonOptions,
  print,
  sizeText,
  statusText,
  table,
  timeText,
  type Volumes,
  withVolumes,
} from './connect.ts';

interface Sized {
  readonly name: string;
  readonly size: number;
}

export async function create({
  name,
  size,
  options,
}: Sized & { options: CommonOptions & { chunk?: number } }): Promise<void> {
  const chunk = options.chunk === undefined ? {} : { chunkBytes: options.chunk };
  await withVolumes(options, async ({ call }) => {
    const made = await call('createVolume', { id: randomUUID(), name, sizeBytes: size, ...chunk });
    print(options, made, `${made.id}\n`);
  });
}

export async function list(options: CommonOptions): Promise<void> {
  await withVolumes(options, async ({ call }) => {
    const { volumes } = await call('volumes', {});
    const rows = volumes.map((one) => [
      one.id,
      one.name,
      one.status,
      sizeText(one.sizeBytes),
      sizeText(one.allocatedBytes),
    ]);
    print(options, volumes, table([['ID', 'NAME', 'STATUS', 'SIZE', 'ON DISK'], ...rows]));
  });
}

export async function show(name: string, options: CommonOptions): Promise<void> {
  await withVolumes(options, async (volumes) => printVolume(options, await volumes.volume(name)));
}

export async function rename(volumeName: string, name: string, options: CommonOptions): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(volumeName);
    printVolume(options, await volumes.call('renameVolume', { id, name }));
  });
}

export async function extend({ name, size, options }: Sized & { options: CommonOptions }): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(name);
    printVolume(options, await volumes.call('extendVolume', { id, sizeBytes: size }));
  });
}

interface LimitOptions extends CommonOptions {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bytes?: number;
  readonly readBytes?: number;
  readonly writeBytes?: number;
}

export async function limit(name: string, options: LimitOptions): Promise<void> {
  const given = {
    ...{ iopsTotal: options.iops, iopsRead: options.readIops, iopsWrite: options.writeIops },
    ...{ bytesTotal: options.bytes, bytesRead: options.readBytes, bytesWrite: options.writeBytes },
  };
  const limits = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(name);
    printVolume(options, await volumes.call('limitVolume', { id, limits }));
  });
}

export async function clone(source: string, name: string, options: CommonOptions & { size?: number }): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const from = await volumes.volume(source);
    const sizeBytes = options.size ?? from.sizeBytes;
    const made = await volumes.call('createVolume', { id: randomUUID(), name, sizeBytes, source: { volume: from.id } });
    print(options, made, `${made.id}\n`);
  });
}

export async function remove(name: string, options: CommonOptions & { force?: boolean }): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(name);
    await volumes.call('deleteVolume', { id, force: options.force ?? false });
    print(options, { id }, '');
  });
}

export async function status(options: CommonOptions): Promise<void> {
  await withVolumes(options, async ({ call }) => {
    const host = await call('hostStatus', {});
    const lines = [
      ['host', host.host],
      ['volumes', `${host.volumes}, ${host.attached} attached`],
      ['provisioned', sizeText(host.provisionedBytes)],
      ['disk', `${sizeText(host.freeBytes)} free of ${sizeText(host.totalBytes)}`],
      ['snapshots being taken', String(host.snapshotsRunning)],
      ...(host.unfit === undefined ? [] : [['cannot serve', host.unfit]]),
    ];
    print(options, host, table(lines));
  });
}

interface AttachOptions extends CommonOptions {
  readonly tcp?: boolean;
  readonly vhostUser?: boolean;
  readonly readOnly?: boolean;
  readonly attachment?: string;
}

export async function attach(name: string, options: AttachOptions): Promise<void> {
  const transport: Transport = options.vhostUser ? 'vhost-user-blk' : options.tcp ? 'tcp' : 'unix';
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(name);
    const attachment = options.attachment ?? randomUUID();
    const asked = { id, attachment, transport, readOnly: options.readOnly ?? false };
    const made = await volumes.call('attachVolume', asked);
    print(options, made, attachmentText(made));
  });
}

export async function detach(name: string, attachment: string | undefined, options: CommonOptions): Promise<void> {
  await withVolumes(options, async (volumes: Volumes) => {
    const { id, attachments } = await volumes.volume(name);
    const ids = attachment === undefined ? attachments.map((one) => one.attachmentId) : [attachment];
    for (const one of ids) await volumes.call('detachVolume', { id, attachment: one });
    print(options, { id, detached: ids }, '');
  });
}

function attachmentText({ uri, attachmentId, secretHex }: Attachment): string {
  return secretHex === undefined
    ? `${uri}\n`
    : `${uri}\n# key of ${attachmentId}, for a psk file:\n${attachmentId}:${secretHex}\n`;
}

function printVolume(options: CommonOptions, volume: VolumeView): void {
  const rows = [
    ['id', volume.id],
    ['name', volume.name],
    ['status', volume.status],
    ['size', sizeText(volume.sizeBytes)],
    ['on disk', sizeText(volume.allocatedBytes)],
    ['snapshot chunks', sizeText(volume.chunkBytes)],
    ['lineage', volume.lineage],
    ['created', timeText(volume.createdMs)],
    ...volume.attachments.map((one) => [
      'attached',
      `${one.attachmentId}  ${one.uri}${one.readOnly ? '  read-only' : ''}`,
    ]),
    ...Object.entries(volume.limits).map(([what, value]) => [what, String(value)]),
    ...(volume.fill ? [['filled', `${sizeText(volume.fill.doneBytes)} of ${sizeText(volume.fill.totalBytes)}`]] : []),
    ...volume.jobs.map((job) => ['snapshot', `${job.snapshot}  ${statusText(job)}`]),
    ...(volume.error === undefined ? [] : [['error', volume.error]]),
  ];
  print(options, volume, table(rows));
}
