/**
 * The TLS front of one TCP attachment: a second daemon that is a client of the volume's own and serves one export with one
 * pre-shared key. Apart, because a daemon has one NBD server, on one address, where any key opens every export. It rides out
 * the death of the volume's daemon, its clients notice nothing but the wait.
 */
import { join } from 'node:path';
import { Fault, isFault } from '../../fabric/errors.ts';
import { engineFaults } from './contract.ts';
import { type Daemon, type DaemonPaths, endDaemon, findDaemon, startDaemon } from './daemon.ts';
import { exportIds } from './graph.ts';
import type { Qmp } from './qmp.ts';
import type { AttachmentState } from './state-format.ts';
import type { VolumeContext } from './volume-context.ts';

const EXPORT = 'front';
const NODE = 'volume';
const KEYS_OBJECT = 'keys';
/** Requests wait this long for the volume's daemon to come back. */
const VOLUME_AWAY_SECONDS_MAX = 3600;
const VOLUME_OPEN_SECONDS_MAX = 5;
const PORTS_TRIED_MAX = 64;

const frontPaths = (context: VolumeContext, attachmentId: string): DaemonPaths => ({
  socket: context.paths.frontSocket(attachmentId),
  pidFile: context.paths.frontPidFile(attachmentId),
  log: context.paths.log,
});

/** Finds the attachment's front or starts one; the port is the recorded one, or a free one that is recorded here. */
export async function ensureFront(
  context: VolumeContext,
  attachment: AttachmentState,
  closed: (reason: string) => void,
): Promise<Daemon> {
  const paths = frontPaths(context, attachment.attachmentId);
  const found = await findDaemon(context.world, paths, closed);
  if (found && (await exportIds(found.qmp)).has(EXPORT)) return found;
  if (found) await endDaemon(context.world, found);
  const daemon = await startDaemon(context.world, paths, closed);
  try {
    await serve(context, daemon.qmp, attachment);
  } catch (error) {
    await endDaemon(context.world, daemon);
    throw error;
  }
  return daemon;
}

async function serve(context: VolumeContext, qmp: Qmp, attachment: AttachmentState): Promise<void> {
  const { attachmentId, readOnly } = attachment;
  await writeKeys(context, attachment);
  await qmp.command('object-add', {
    'qom-type': 'tls-creds-psk',
    id: KEYS_OBJECT,
    endpoint: 'server',
    dir: context.paths.frontKeys(attachmentId),
  });
  await qmp.command('blockdev-add', {
    'node-name': NODE,
    driver: 'nbd',
    server: { type: 'unix', path: context.paths.nbdSocket },
    export: attachmentId,
    'read-only': readOnly,
    discard: 'unmap',
    'reconnect-delay': VOLUME_AWAY_SECONDS_MAX,
    'open-timeout': VOLUME_OPEN_SECONDS_MAX,
  });
  await listen(context, qmp, attachment);
  await qmp.command('block-export-add', {
    type: 'nbd',
    id: EXPORT,
    'node-name': NODE,
    name: attachmentId,
    writable: !readOnly,
  });
}

/** The file's form is GnuTLS's: identity, colon, key in hex. */
async function writeKeys(context: VolumeContext, { attachmentId, secretHex }: AttachmentState): Promise<void> {
  const directory = context.paths.frontKeys(attachmentId);
  await context.world.files.makePrivateDirectory(directory);
  const line = Buffer.from(`${attachmentId}:${secretHex}\n`);
  await context.world.disk.replaceFile(join(directory, 'keys.psk'), line, 0o600);
}

async function listen(context: VolumeContext, qmp: Qmp, attachment: AttachmentState): Promise<void> {
  for (const port of portsToTry(context, attachment)) {
    try {
      await qmp.command('nbd-server-start', {
        addr: { type: 'inet', data: { host: attachment.host, port: String(port) } },
        'tls-creds': KEYS_OBJECT,
      });
    } catch (error) {
      if (isFault(error, engineFaults.refused)) continue;
      throw error;
    }
    if (attachment.port === undefined) await recordPort(context, attachment.attachmentId, port);
    return;
  }
  throw new Fault(engineFaults.unavailable, {}, 'no port of the range is free');
}

function portsToTry(context: VolumeContext, attachment: AttachmentState): number[] {
  if (attachment.port !== undefined) return [attachment.port];
  const { firstPort, lastPort } = context.world.fronts;
  const count = lastPort - firstPort + 1;
  const start = context.world.random.below(count);
  return Array.from({ length: Math.min(count, PORTS_TRIED_MAX) }, (_, i) => firstPort + ((start + i) % count));
}

async function recordPort(context: VolumeContext, attachmentId: string, port: number): Promise<void> {
  const attachments = context.state.attachments.map((one) =>
    one.attachmentId === attachmentId ? { ...one, port } : one,
  );
  await context.save({ attachments });
}

/** No error if there is none. */
export async function endFront(context: VolumeContext, attachmentId: string): Promise<void> {
  const paths = frontPaths(context, attachmentId);
  const found = await findDaemon(context.world, paths, () => {});
  if (found) await endDaemon(context.world, found);
  await context.world.files.removeTree(context.paths.frontKeys(attachmentId));
  for (const path of [paths.socket, paths.pidFile]) await context.world.disk.remove(path);
}
