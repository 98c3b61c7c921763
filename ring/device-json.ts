/**
 * Devices as they stand in files: checks every field, so that what comes out is a Device whoever wrote the file. Takes
 * our own camelCase and Swift's names (`replication_ip`), and fills in what old Swift rings leave out.
 */
import { Fault } from '../fabric/errors.ts';
import { type Device, deviceCountMax, ringFaults } from './contract.ts';

/** `null` in the list is a removed device. @throws Fault BadRingFile */
export function decodeDevices(list: unknown): (Device | null)[] {
  if (!Array.isArray(list) || list.length > deviceCountMax) throw bad('the device list is missing or too long');
  return list.map((entry: unknown, place) => (entry === null ? null : decodeDevice(entry, place)));
}

/** Fields in one order, so that equal rings are equal bytes. */
export function encodeDevices(devices: readonly (Device | null)[]): (Device | null)[] {
  return decodeDevices(devices);
}

function decodeDevice(entry: unknown, place: number): Device {
  if (typeof entry !== 'object' || entry === null) throw bad(`device ${place} is not an object`);
  const fields = entry as Record<string, unknown>;
  const number = (name: string, fallback?: number): number => {
    const value = fields[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw bad(`device ${place}: ${name} is ${value}`);
    return value;
  };
  const text = (name: string, fallback?: string): string => {
    const value = fields[name] ?? fallback;
    if (typeof value !== 'string') throw bad(`device ${place}: ${name} is ${value}`);
    return value;
  };
  const ip = text('ip');
  const port = number('port');
  const id = number('id');
  if (id !== place) throw bad(`device ${id} stands at place ${place}`);
  return {
    id,
    region: number('region', 1),
    zone: number('zone'),
    weight: number('weight'),
    ip,
    port,
    replicationIp: text('replicationIp', text('replication_ip', ip)),
    replicationPort: number('replicationPort', number('replication_port', port)),
    device: text('device'),
    meta: text('meta', ''),
  };
}

function bad(why: string): Fault {
  return new Fault(ringFaults.badFile, { why }, `not a usable ring file: ${why}`);
}
