/**
 * Reads OpenStack Swift's `.ring.gz`, so that an operator can bring a ring along. Read only: formats 1 (Swift 1.7 on)
 * and 2 (2.36 on), drawn in docs/formats/ring.md. The pickled format before them is refused: unpickling runs code.
 *
 *   gzip of  "R1NG" | u16 = 1 | u32 jsonBytes | JSON: devs, part_shift, replica_count, byteorder…
 *                   | u16 device id per slot, row by row, in `byteorder`; the last row may be short
 *   gzip of  "R1NG" | u16 = 2 | sections, each u64 bytes | data
 *                   | u64 bytes | index: JSON {name: [cStart, start, cEnd, end, method, checksum]}
 *                   | u64 start of the index | u64 its start in the compressed file
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { deviceCountMax, partPowerMax, type RingData } from './contract.ts';
import { decodeDevices } from './device-json.ts';
import { checkRingData } from './ring.ts';
import { badRing, cutRows, unpackRing } from './ring-file-format.ts';

const preambleBytes = 6;
const checksumMethods = ['md5', 'sha1', 'sha256', 'sha512'];

interface Metadata {
  readonly part_shift: number;
  readonly version?: number | null;
  readonly next_part_power?: number | null;
}

/** @throws Fault BadRingFile */
export function decodeSwiftRing(file: Uint8Array): RingData {
  const raw = unpackRing(file);
  if (!isSwiftRing(raw))
    throw badRing('it does not start with R1NG (a ring of Swift 1.6 or older must be rewritten first)');
  const format = raw.readUInt16BE(4);
  try {
    if (format === 1) return decodeFormat1(raw);
    if (format === 2) return decodeFormat2(raw);
  } catch (error) {
    // Cut short in the middle of a number or of the JSON.
    if (error instanceof RangeError || error instanceof SyntaxError) throw badRing(`it is damaged: ${error.message}`);
    throw error;
  }
  throw badRing(`its Swift ring format is ${format}, this program reads 1 and 2`);
}

/** Whether an unpacked file is of this format, of whatever version. */
export function isSwiftRing(raw: Buffer): boolean {
  return raw.length >= preambleBytes && raw.toString('latin1', 0, 4) === 'R1NG';
}

function decodeFormat1(raw: Buffer): RingData {
  const tableStart = preambleBytes + 4 + raw.readUInt32BE(preambleBytes);
  const json = JSON.parse(raw.toString('utf8', preambleBytes + 4, tableStart));
  const { replica_count: rowCount, byteorder = 'little' } = json as { replica_count: number; byteorder?: string };
  const bytes = raw.subarray(tableStart);
  const rowLengths = rowLengthsOf(bytes.length / 2, partPowerOf(json));
  if (rowLengths.length !== rowCount) throw badRing(`its table has ${rowLengths.length} rows instead of ${rowCount}`);
  // Rings from before the field existed were written by the (little-endian) machines of their time.
  const ordered = byteorder === 'big' ? bytes : Buffer.from(bytes).swap16();
  return assemble(json, json.devs, cutRows(ordered, rowLengths));
}

function decodeFormat2(raw: Buffer): RingData {
  const index = JSON.parse(blobAt(raw, Number(raw.readBigUInt64BE(raw.length - 16))).toString('utf8'));
  const section = (name: string): Buffer => readSection(raw, index[name], name);
  const metadata = JSON.parse(section('swift/ring/metadata').toString('utf8'));
  const devices = JSON.parse(section('swift/ring/devices').toString('utf8'));
  const idBytes: unknown = metadata.dev_id_bytes;
  if (idBytes !== 2 && idBytes !== 4 && idBytes !== 8) throw badRing(`its device ids have ${idBytes} bytes`);
  const narrow = narrowIds(section('swift/ring/assignments'), idBytes);
  return assemble(metadata, devices, cutRows(narrow, rowLengthsOf(narrow.length / 2, partPowerOf(metadata))));
}

function readSection(raw: Buffer, entry: unknown, name: string): Buffer {
  if (!Array.isArray(entry)) throw badRing(`it has no section ${name}`);
  const [, start, , , method, checksum] = entry as [
    number,
    number,
    number | null,
    number | null,
    string | null,
    string | null,
  ];
  const data = blobAt(raw, start);
  if (method === null || checksum === null || !checksumMethods.includes(method)) return data;
  // The checksum covers the length in front of the data too.
  const found = createHash(method)
    .update(raw.subarray(start, start + 8 + data.length))
    .digest();
  const expected = Buffer.from(checksum, 'hex');
  if (expected.length !== found.length || !timingSafeEqual(expected, found))
    throw badRing(`section ${name} is damaged`);
  return data;
}

function blobAt(raw: Buffer, start: number): Buffer {
  const length = Number(raw.readBigUInt64BE(start));
  if (start + 8 + length > raw.length) throw badRing('a section reaches past its end');
  return raw.subarray(start + 8, start + 8 + length);
}

/** Big-endian ids of 4 or 8 bytes to 2: a ring with more devices than that is beyond this system's limit. */
function narrowIds(bytes: Buffer, idBytes: 2 | 4 | 8): Buffer {
  if (idBytes === 2) return bytes;
  const narrow = Buffer.alloc(Math.floor(bytes.length / idBytes) * 2);
  for (let i = 0; i * idBytes < bytes.length; i++) {
    const id = bytes.readUIntBE(i * idBytes + (idBytes === 8 ? 2 : 0), idBytes === 8 ? 6 : 4);
    if (id >= deviceCountMax) throw badRing(`device id ${id} is above ${deviceCountMax - 1}`);
    narrow.writeUInt16BE(id, i * 2);
  }
  return narrow;
}

function partPowerOf({ part_shift: shift }: Metadata): number {
  const partPower = 32 - shift;
  const fits = Number.isInteger(partPower) && partPower >= 0 && partPower <= partPowerMax;
  if (!fits) throw badRing(`its part power is ${partPower}, this program takes up to ${partPowerMax}`);
  return partPower;
}

function rowLengthsOf(slots: number, partPower: number): number[] {
  const partitionCount = 2 ** partPower;
  if (!Number.isInteger(slots)) throw badRing('its table ends within a number');
  const lengths = new Array<number>(Math.floor(slots / partitionCount)).fill(partitionCount);
  const rest = slots % partitionCount;
  return rest > 0 ? [...lengths, rest] : lengths;
}

function assemble(metadata: Metadata, devices: unknown, table: Uint16Array[]): RingData {
  const data = {
    partPower: partPowerOf(metadata),
    version: metadata.version ?? 0,
    devices: decodeDevices(devices),
    table,
  };
  checkRingData(data);
  const next = metadata.next_part_power ?? undefined;
  return next === undefined ? data : { ...data, nextPartPower: next };
}
