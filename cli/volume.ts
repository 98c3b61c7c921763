// "needletail volume": local volumes and their snapshots, on the host of a running cluster. Declares the commands; what they
// do is in volume/actions.ts. A volume or snapshot is named by its id or, where that is unique, by its name.
import { type Command, InvalidArgumentError } from 'commander';
import { integerBetween } from './option-types.ts';

const STREAMS_MAX = 64;

export function register(program: Command): void {
  const volume = program.command('volume').description('Local volumes with incremental, independent snapshots.');
  registerVolumes(volume);
  registerClients(volume);
  registerSnapshots(volume);
  registerStored(volume);
}

const actions = () => import('./volume/actions.ts');
const snapshots = () => import('./volume/snapshot-actions.ts');

/** Every command knows where the cluster is and can answer for programs. */
function command(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--data <dir>', 'data directory of the cluster', './data')
    .option('--json', 'answer as one JSON document');
}

function registerVolumes(volume: Command): void {
  command(volume, 'create', 'Create a volume; it takes no space before it is written to.')
    .argument('<name>')
    .argument('<size>', 'e.g. 10G, 512M, 1.5T (powers of 1024)', sizeBytes)
    .option('--chunk <size>', 'size of the pieces its snapshots are stored in, 64K to 4M', sizeBytes)
    .action(async (name, size, options) => (await actions()).create({ name, size, options }));
  command(volume, 'list', 'All volumes of this host.').action(async (options) => (await actions()).list(options));
  command(volume, 'show', 'One volume.')
    .argument('<volume>')
    .action(async (name, options) => (await actions()).show(name, options));
  command(volume, 'rename', 'Give a volume another name.')
    .argument('<volume>')
    .argument('<name>')
    .action(async (volumeName, name, options) => (await actions()).rename(volumeName, name, options));
  command(volume, 'extend', 'Make a volume larger.')
    .argument('<volume>')
    .argument('<size>', 'the new size', sizeBytes)
    .action(async (name, size, options) => (await actions()).extend({ name, size, options }));
  command(volume, 'limit', 'Limit what clients of a volume may do a second; what is not named is not limited.')
    .argument('<volume>')
    .option('--iops <count>', 'reads and writes', count)
    .option('--read-iops <count>', 'reads', count)
    .option('--write-iops <count>', 'writes', count)
    .option('--bytes <size>', 'bytes read and written', sizeBytes)
    .option('--read-bytes <size>', 'bytes read', sizeBytes)
    .option('--write-bytes <size>', 'bytes written', sizeBytes)
    .action(async (name, options) => (await actions()).limit(name, options));
  command(volume, 'clone', 'Copy a volume as it is now.')
    .argument('<volume>')
    .argument('<name>', 'of the copy')
    .option('--size <size>', 'larger than the original', sizeBytes)
    .action(async (source, name, options) => (await actions()).clone(source, name, options));
  command(volume, 'delete', 'Delete a volume; its snapshots stay.')
    .argument('<volume>')
    .option('--force', 'also while it is attached or a snapshot of it is being taken')
    .action(async (name, options) => (await actions()).remove(name, options));
  command(volume, 'status', 'How this host is.').action(async (options) => (await actions()).status(options));
}

function registerClients(volume: Command): void {
  command(volume, 'attach', 'Let a client use a volume; prints where: an NBD URI, or a vhost-user socket.')
    .argument('<volume>')
    .option('--tcp', 'over TCP with TLS and a key of its own, instead of a unix socket')
    .option('--vhost-user', 'as vhost-user-blk, for QEMU on this host')
    .option('--read-only', 'refuse writes')
    .option('--attachment <id>', 'name of the attachment; a new one by default')
    .action(async (name, options) => (await actions()).attach(name, options));
  command(volume, 'detach', "End clients' use of a volume.")
    .argument('<volume>')
    .argument('[attachment]', 'all of them by default')
    .action(async (name, attachment, options) => (await actions()).detach(name, attachment, options));
}

function registerSnapshots(volume: Command): void {
  const take = (name: string, description: string): Command =>
    command(volume, name, description)
      .argument('<volume>')
      .option('--name <name>')
      .option('--streams <count>', 'uploads at once', integerBetween(1, STREAMS_MAX))
      .option('--no-wait', 'do not wait for the upload');
  take('snapshot', 'Take a snapshot, while clients go on writing, and upload what changed.').action(
    async (name, options) => (await snapshots()).take(name, 'snapshot', options),
  );
  take('backup', 'As snapshot, kept apart in listings; --full shares nothing with what is stored already.')
    .option('--full', 'upload everything, into a lineage of its own')
    .action(async (name, options) => (await snapshots()).take(name, 'backup', options));
  command(volume, 'snapshots', 'Snapshots and backups: of one volume, or all.')
    .argument('[volume]')
    .action(async (name, options) => (await snapshots()).list(name, options));
  command(volume, 'pause', 'Pause the upload of a snapshot.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).pause(name, true, options));
  command(volume, 'resume', 'Go on with a paused upload.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).pause(name, false, options));
  command(volume, 'cancel', 'Give up a snapshot that is being taken, or forget one that failed.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).cancel(name, options));
}

function registerStored(volume: Command): void {
  command(volume, 'restore', 'Make a volume of a snapshot; it can be used at once and is filled behind.')
    .argument('<snapshot>')
    .argument('[name]', 'of the new volume')
    .option('--size <size>', 'larger than the snapshot', sizeBytes)
    .option('--into <volume>', 'replace the bytes of this volume instead')
    .option('--wait', 'until all of it is on this host')
    .action(async (snapshot, name, options) => (await snapshots()).restore(snapshot, name, options));
  command(volume, 'export', 'Serve a snapshot read-only, straight from the object store; prints the NBD URI.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).serve(name, options));
  command(volume, 'unexport', 'End that.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).unserve(name, options));
  command(volume, 'check', 'Read and verify every byte of a snapshot.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).check(name, options));
  command(
    volume,
    'import-cinder',
    "List backups that Cinder wrote into a container, or make one of them a backup of one's own.",
  )
    .argument('<container>')
    .argument('[backup]', "Cinder's id of it")
    .option('--account <account>', 'storage account of the container, e.g. AUTH_0123…; it must let volumes:agent read')
    .option('--no-wait', 'do not wait for the end')
    .action(async (container, backup, options) => (await snapshots()).importCinder(container, backup, options));
  command(volume, 'delete-snapshot', 'Delete a snapshot; no other one is touched.')
    .argument('<snapshot>')
    .action(async (name, options) => (await snapshots()).remove(name, options));
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** As qemu-img takes them. */
export function sizeBytes(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (number !== '' && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError('It must be a size such as 512M, 10G or 1.5T.');
}

const count = integerBetween(1, 1e9);
