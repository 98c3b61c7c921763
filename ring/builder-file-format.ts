/**
 * The builder file, an operator's master copy of a ring: version 1, drawn below and in docs/formats/ring.md. Two lines
 * of JSON, so that a person can look at it; the first vouches for the second. Encodes and decodes buffers only.
 *
 *   {"format":"needletail-ring-builder","formatVersion":1,"sha256":"<hex, of the second line without its newline>"}\n
 *   {"partPower":…,"replicas":…,"devices":[…],"table":["<base64>",…],"movedHoursAgo":"<base64>",…}\n
 *
 * `table` holds one string per replica: device ids as big-endian u16, 65535 for none. `movedHoursAgo` is one byte per
 * partition.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../fabric/errors.ts';
import { type BuilderState, RingBuilder } from './builder.ts';
import { partPowerMax, ringFaults } from './contract.ts';
import { decodeDevices, encodeDevices } from './device-json.ts';
import { cutRows, encodeRow } from './ring-file-format.ts';

const formatName = 'needletail-ring-builder';
const formatVersion = 1;

export function encodeBuilder(builder: RingBuilder): Buffer {
  const { state } = builder;
  // Spelt out, so that the same builder gives the same bytes however it came to be.
  const encoded = {
    version: state.version,
    partPower: state.partPower,
    replicas: state.replicas,
    minPartHours: state.minPartHours,
    overload: state.overload,
    devices: encodeDevices(state.devices),
    removing: state.removing,
    changed: state.changed,
    movedAtSeconds: state.movedAtSeconds,
    movedHoursAgo: Buffer.from(state.movedHoursAgo).toString('base64'),
    table: state.table.map((row) => encodeRow(row).toString('base64')),
  };
  const body = JSON.stringify(encoded);
  const head = JSON.stringify({ format: formatName, formatVersion, sha256: sha256(body) });
  return Buffer.from(`${head}\n${body}\n`, 'utf8');
}

/** Whether the bytes start as a builder file does, of whatever version. */
export function isBuilderFile(file: Buffer): boolean {
  return file.toString('latin1', 0, 64).startsWith(`{"format":"${formatName}"`);
}

/** @throws Fault BadRingFile */
export function decodeBuilder(file: Buffer): RingBuilder {
  if (!isBuilderFile(file)) throw bad('it is not a ring builder');
  const [first = '', body = ''] = file.toString('utf8').split('\n');
  const head = parse(first) as { formatVersion: number; sha256: string };
  if (head.formatVersion !== formatVersion) {
    throw bad(`its format version is ${head.formatVersion}, this program reads ${formatVersion}`);
  }
  if (head.sha256 !== sha256(body)) throw bad('its checksum is wrong');
  return new RingBuilder(decodeState(parse(body) as Record<string, unknown>));
}

function decodeState(body: Record<string, unknown>): BuilderState {
  const number = (name: string): number => {
    const value = body[name];
    if (typeof value !== 'number') throw bad(`${name} is ${value}`);
    return value;
  };
  const partPower = number('partPower');
  if (!(partPower >= 0 && partPower <= partPowerMax)) throw bad(`part power is ${partPower}`);
  const movedHoursAgo = new Uint8Array(Buffer.from(String(body['movedHoursAgo']), 'base64'));
  if (movedHoursAgo.length !== 2 ** partPower) throw bad('movedHoursAgo has the wrong length');
  const rows = body['table'];
  const removing = body['removing'];
  if (!Array.isArray(rows) || !Array.isArray(removing)) throw bad('table or removing is missing');
  return {
    version: number('version'),
    partPower,
    replicas: number('replicas'),
    minPartHours: number('minPartHours'),
    overload: number('overload'),
    devices: decodeDevices(body['devices']),
    removing: removing.map(Number),
    changed: body['changed'] === true,
    table: rows.map((row) => decodeRow(String(row))),
    movedHoursAgo,
    movedAtSeconds: number('movedAtSeconds'),
  };
}

function decodeRow(text: string): Uint16Array {
  const bytes = Buffer.from(text, 'base64');
  return cutRows(bytes, [bytes.length / 2])[0] as Uint16Array;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function bad(why: string): Fault {
  return new Fault(ringFaults.badFile, { why }, `not a usable builder file: ${why}`);
}
