// What the "needletail ring" commands do: read a file, call the builder, write files, print. All of the ring's rules are
// in ring/; this file owns only the files' names and the order of writing them.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import process from 'node:process';
import { systemClock } from '../fabric/clock.ts';
import { Fault } from '../fabric/errors.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { decodeAnyRing } from '../ring/any-ring-file.ts';
import { RingBuilder, type RingSettings } from '../ring/builder.ts';
import { decodeBuilder, encodeBuilder, isBuilderFile } from '../ring/builder-file-format.ts';
import { type RingData, ringFaults } from '../ring/contract.ts';
import { findDevice, parseNewDevice, printDevice } from '../ring/device-spec.ts';
import { hashPath } from '../ring/path-hash.ts';
import { encodeRing } from '../ring/ring-file-format.ts';
import { decodeSwiftRing } from '../ring/swift-ring-file-format.ts';
import { describeBuilder, describeRing, printDescription, printRebalance } from './ring-text.ts';

export function create(file: string, settings: RingSettings): void {
  const builder = RingBuilder.create(settings);
  refuseExisting(file);
  save(file, encodeBuilder(builder));
  say(`Created ${file}: ${builder.partitionCount} partitions, ${settings.replicas} replicas.`);
}

export function set(file: string, settings: Partial<RingSettings>): void {
  change(file, (builder) => {
    builder.set(settings);
    const { replicas, minPartHours, overload } = builder.state;
    say(`${file}: ${replicas} replicas, min_part_hours ${minPartHours}, overload ${overload}.`);
  });
}

export function importSwift(file: string, source: string, minPartHours: number): void {
  const builder = RingBuilder.fromRing(decodeSwiftRing(load(source)), { minPartHours, nowMs: systemClock.nowMs() });
  const ringFile = ringFileOf(file);
  for (const target of [file, ringFile]) refuseExisting(target);
  save(ringFile, encodeRing(builder.ringData()));
  save(file, encodeBuilder(builder));
  say(`Imported ${source} as ${file} and ${ringFile}; its hash path prefix and suffix must come along too.`);
}

export function add(file: string, text: string, weight: number): void {
  change(file, (builder) => {
    const device = builder.addDevice(parseNewDevice(text, weight));
    say(`Added device ${device.id} ${printDevice(device)} with weight ${weight}. Rebalance to use it.`);
  });
}

export function remove(file: string, texts: readonly string[]): void {
  change(file, (builder) => {
    const found = texts.map((text) => findDevice(builder.state.devices, text));
    for (const device of found) builder.removeDevice(device.id);
    for (const device of found) say(`Removing device ${device.id} ${printDevice(device)}. Rebalance to empty it.`);
  });
}

export function setWeight(file: string, text: string, weight: number): void {
  change(file, (builder) => {
    const device = findDevice(builder.state.devices, text);
    builder.setWeight(device.id, weight);
    say(`Device ${device.id} ${printDevice(device)}: weight ${device.weight} is now ${weight}. Rebalance to apply it.`);
  });
}

export interface RebalanceOptions {
  readonly seed?: string;
  readonly output?: string;
  readonly ignoreMinPartHours?: boolean;
  readonly json?: boolean;
}

export function rebalance(file: string, options: RebalanceOptions): void {
  const builder = decodeBuilder(load(file));
  const { changed, version, minPartHours } = builder.state;
  const nowMs = systemClock.nowMs();
  const waitSeconds = builder.secondsUntilFree(nowMs);
  if (options.ignoreMinPartHours) builder.forgetMoves();
  const report = builder.rebalance({ nowMs, random: createSeededRandom(seedOf(options.seed ?? String(version))) });
  if (report.moved + report.assigned === 0 && !changed) {
    const why =
      waitSeconds > 0 ? `min_part_hours is ${minPartHours}, ${waitSeconds} s are left` : 'nothing has changed';
    throw new Fault(ringFaults.badArgument, {}, `no partition was moved: ${why}`);
  }
  builder.validate();
  const ringFile = options.output ?? ringFileOf(file);
  // The builder last: if the ring file cannot be written, the same rebalance can be run again.
  save(ringFile, encodeRing(builder.ringData()));
  save(file, encodeBuilder(builder));
  say(options.json ? JSON.stringify({ ...report, ringFile }, null, 2) : printRebalance(report, builder, ringFile));
}

export function show(file: string, { json }: { readonly json?: boolean }): void {
  const described = describe(file);
  say(json ? JSON.stringify(described, null, 2) : printDescription(file, described));
}

export function validate(file: string): void {
  const bytes = load(file);
  if (isBuilderFile(bytes)) decodeBuilder(bytes).validate();
  else RingBuilder.fromRing(withoutPartPowerIncrease(decodeAnyRing(bytes)), { minPartHours: 0, nowMs: 0 });
  say(`${file} is valid.`);
}

function describe(file: string) {
  const bytes = load(file);
  if (isBuilderFile(bytes)) return describeBuilder(decodeBuilder(bytes), systemClock.nowMs());
  return describeRing(decodeAnyRing(bytes));
}

/** Such a ring is sound, only not one to build upon. */
function withoutPartPowerIncrease({ nextPartPower: _, ...data }: RingData): RingData {
  return data;
}

function change(file: string, edit: (builder: RingBuilder) => void): void {
  const builder = decodeBuilder(load(file));
  edit(builder);
  save(file, encodeBuilder(builder));
}

/** `object.builder` → `object.ring`; not `.ring.gz`, which are Swift's and which Swift would fail to read. */
function ringFileOf(builderFile: string): string {
  return `${builderFile.replace(/\.builder$/, '')}.ring`;
}

/** Any text becomes a 32-bit seed. */
function seedOf(text: string): number {
  const empty = Buffer.alloc(0);
  return hashPath({ prefix: empty, suffix: empty }, text).readUInt32BE(0);
}

function load(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Fault(ringFaults.badArgument, { file }, `there is no file ${file}`);
    }
    throw error;
  }
}

function refuseExisting(file: string): void {
  if (existsSync(file)) throw new Fault(ringFaults.badArgument, { file }, `${file} exists already`);
}

/** After this the file is the old one or the new one, whole, whatever happens to the machine. */
function save(file: string, contents: Buffer): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = openSync(temporary, 'wx', 0o644);
    try {
      for (let written = 0; written < contents.length; ) written += writeSync(handle, contents, written);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const directory = openSync(dirname(resolve(file)), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
