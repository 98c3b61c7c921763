/**
 * The ring file servers load: version 1, drawn below and in docs/formats/ring.md. Encodes and decodes buffers only; who
 * reads and writes files is the caller. The same ring gives the same bytes.
 *
 *   gzip of
 *   +--------+------------+--------------+-------------+--------------------+------------------+
 *   | "NTRG" | version u16| headerBytes  | header      | table              | SHA-256 of all   |
 *   | 4 bytes| = 1        | u32          | JSON, UTF-8 | u16 per slot, rows | before, 32 bytes |
 *   +--------+------------+--------------+-------------+--------------------+------------------+
 *   Numbers are big-endian. Rows stand one after another in replica order; `rowLengths` in the header cuts them.
 */
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Fault } from '../fabric/errors.ts';
import { type RingData, ringFaults } from './contract.ts';
import { decodeDevices, encodeDevices } from './device-json.ts';
import { checkRingData } from './ring.ts';

const magic = 'NTRG';
const formatVersion = 1;
const preambleBytes = 10;
const checksumBytes = 32;
/** Unpacked: the table of the largest ring with a dozen replicas, and its devices. A larger file is an attack or damage. */
export const ringBytesMax = 256 * 1024 * 1024;

interface Header {
  readonly partPower: number;
  readonly version: number;
  readonly nextPartPower?: number;
  readonly rowLengths: readonly number[];
  readonly devices: unknown;
}

/** @throws Fault BadRingFile when the data is no complete ring. */
export function encodeRing(data: RingData): Buffer {
  checkRingData(data);
  const { partPower, version, nextPartPower, devices, table } = data;
  const rowLengths = table.map((row) => row.length);
  const next = nextPartPower === undefined ? {} : { nextPartPower };
  const header: Header = { partPower, version, ...next, rowLengths, devices: encodeDevices(devices) };
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const preamble = Buffer.alloc(preambleBytes);
  preamble.write(magic, 'latin1');
  preamble.writeUInt16BE(formatVersion, 4);
  preamble.writeUInt32BE(json.length, 6);
  const body = Buffer.concat([preamble, json, ...table.map(encodeRow)]);
  return gzipSync(Buffer.concat([body, sha256(body)]));
}

/** @throws Fault BadRingFile */
export function decodeRing(file: Uint8Array): RingData {
  const raw = unpackRing(file);
  if (!isOwnRing(raw)) throw badRing('it does not start with NTRG');
  const version = raw.readUInt16BE(4);
  if (version !== formatVersion) throw badRing(`its format version is ${version}, this program reads ${formatVersion}`);
  const end = raw.length - checksumBytes;
  if (end < preambleBytes || !sha256(raw.subarray(0, end)).equals(raw.subarray(end)))
    throw badRing('its checksum is wrong');
  const tableStart = preambleBytes + raw.readUInt32BE(6);
  const header = JSON.parse(raw.toString('utf8', preambleBytes, tableStart)) as Header;
  const { partPower, nextPartPower, rowLengths } = header;
  const slots = rowLengths.reduce((sum, length) => sum + length, 0);
  if (tableStart + slots * 2 !== end) throw badRing(`its table has ${end - tableStart} bytes instead of ${slots * 2}`);
  const table = cutRows(raw.subarray(tableStart, end), rowLengths);
  const devices = decodeDevices(header.devices);
  const data = { partPower, version: header.version, devices, table };
  checkRingData(data);
  return nextPartPower === undefined ? data : { ...data, nextPartPower };
}

/** @throws Fault BadRingFile */
export function unpackRing(file: Uint8Array): Buffer {
  try {
    return gunzipSync(file, { maxOutputLength: ringBytesMax });
  } catch (error) {
    throw badRing(`it does not unpack: ${(error as Error).message}`);
  }
}

/** Whether an unpacked file is of this format, of whatever version. */
export function isOwnRing(raw: Buffer): boolean {
  return raw.length >= preambleBytes && raw.toString('latin1', 0, 4) === magic;
}

export function badRing(why: string): Fault {
  return new Fault(ringFaults.badFile, { why }, `not a usable ring file: ${why}`);
}

export function encodeRow(row: Uint16Array): Buffer {
  return Buffer.from(row.slice().buffer).swap16();
}

/** Cuts big-endian bytes into rows of the given lengths. */
export function cutRows(bytes: Buffer, rowLengths: readonly number[]): Uint16Array[] {
  let start = 0;
  return rowLengths.map((length) => {
    const row = new Uint16Array(length);
    const copy = Buffer.from(row.buffer);
    bytes.copy(copy, 0, start, start + length * 2);
    copy.swap16();
    start += length * 2;
    return row;
  });
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
