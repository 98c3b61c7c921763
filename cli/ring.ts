// "needletail ring": makes and changes rings. Declares the commands; what they do is in ring-actions.ts.
// A builder file is the master copy; every rebalance writes beside it the ring file that servers load.
import { type Command, InvalidArgumentError } from 'commander';
import { partPowerMax } from '../ring/contract.ts';
import { integerBetween } from './option-types.ts';

const hoursMax = 255;

export function register(program: Command): void {
  const ring = program.command('ring').description('Make and change rings: which device holds which partition.');
  registerMaking(ring);
  registerDevices(ring);
  registerRebalance(ring);
  registerReading(ring);
}

const actions = () => import('./ring-actions.ts');

function registerMaking(ring: Command): void {
  ring
    .command('create')
    .description('Create an empty builder file.')
    .argument('<builder>', 'the file to create, e.g. object.builder')
    .argument('<part-power>', 'the ring gets 2^N partitions; cannot be changed later', integerBetween(0, partPowerMax))
    .argument('<replicas>', 'copies of every partition, e.g. 3 or 2.5', numberFrom(1))
    .argument('<min-part-hours>', 'hours before a moved partition may move again', integerBetween(0, hoursMax))
    .option(
      '--overload <fraction>',
      'let devices take this much more than their weight to spread replicas',
      numberFrom(0),
      0,
    )
    .action(async (file, partPower, replicas, minPartHours, { overload }) =>
      (await actions()).create(file, { partPower, replicas, minPartHours, overload }),
    );
  ring
    .command('set')
    .description('Change settings of a builder; takes effect at the next rebalance.')
    .argument('<builder>')
    .option('--replicas <count>', 'copies of every partition', numberFrom(1))
    .option('--min-part-hours <hours>', 'hours before a moved partition may move again', integerBetween(0, hoursMax))
    .option(
      '--overload <fraction>',
      'let devices take this much more than their weight to spread replicas',
      numberFrom(0),
    )
    .action(async (file, settings) => (await actions()).set(file, settings));
  ring
    .command('import')
    .description('Make a builder and a ring file from a Swift .ring.gz, keeping every partition where it is.')
    .argument('<builder>', 'the file to create')
    .argument('<swift-ring>', 'a .ring.gz of OpenStack Swift')
    .option(
      '--min-part-hours <hours>',
      'hours before a moved partition may move again',
      integerBetween(0, hoursMax),
      24,
    )
    .action(async (file, source, { minPartHours }) => (await actions()).importSwift(file, source, minPartHours));
}

function registerDevices(ring: Command): void {
  ring
    .command('add')
    .description('Add a device; it gets partitions at the next rebalance.')
    .argument('<builder>')
    .argument('<device>', 'r<region>z<zone>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>]')
    .argument('<weight>', 'relative capacity, e.g. its size in GB', numberFrom(0))
    .action(async (file, device, weight) => (await actions()).add(file, device, weight));
  ring
    .command('remove')
    .description('Remove devices; the next rebalance moves everything off them at once.')
    .argument('<builder>')
    .argument('<devices...>', 'ids or <ip>:<port>/<device>')
    .action(async (file, devices) => (await actions()).remove(file, devices));
  ring
    .command('set-weight')
    .description('Change the weight of a device; 0 drains it over the next rebalances.')
    .argument('<builder>')
    .argument('<device>', 'id or <ip>:<port>/<device>')
    .argument('<weight>', 'relative capacity', numberFrom(0))
    .action(async (file, device, weight) => (await actions()).setWeight(file, device, weight));
}

function registerRebalance(ring: Command): void {
  ring
    .command('rebalance')
    .description('Assign partitions to devices anew, moving as little as possible, and write the ring file.')
    .argument('<builder>')
    .option('--seed <text>', 'the same builder, seed and hour give the same ring (default: the builder version)')
    .option('--output <file>', 'the ring file to write (default: the builder with .ring for .builder)')
    .option('--ignore-min-part-hours', 'move partitions that moved lately; unsafe before replication has caught up')
    .option('--json', 'print the report as JSON')
    .action(async (file, options) => (await actions()).rebalance(file, options));
}

function registerReading(ring: Command): void {
  ring
    .command('show')
    .description('Show devices, balance and dispersion of a builder or ring file.')
    .argument('<file>', 'a builder file, or a ring file of ours or of Swift')
    .option('--json', 'print it as JSON')
    .action(async (file, options) => (await actions()).show(file, options));
  ring
    .command('validate')
    .description('Check a builder or ring file; exit status 1 when it must not be used.')
    .argument('<file>', 'a builder file, or a ring file of ours or of Swift')
    .action(async (file) => (await actions()).validate(file));
}

function numberFrom(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= min) return value;
    throw new InvalidArgumentError(`It must be a number of at least ${min}.`);
  };
}
