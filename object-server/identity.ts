/**
 * Who a device directory belongs to: DIR/device.json, written once. A directory of another cluster or with another device's
 * number is refused, so that a swapped or copied disk can never answer for data it does not hold.
 */

import type { Disk } from '../fabric/disk.ts';
import { diskFaults } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { Random } from '../fabric/random.ts';
import { deviceFaults } from './faults.ts';

export const DEVICE_FORMAT_VERSION = 1;

export interface DeviceIdentity {
  readonly formatVersion: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  /** 32 hex digits, drawn when the directory was made. */
  readonly deviceUuid: string;
  readonly deviceId: number;
}

const path = (directory: string): string => `${directory}/device.json`;

export function encodeIdentity({ formatVersion, clusterId, deviceUuid, deviceId }: DeviceIdentity): Buffer {
  const body = JSON.stringify({ formatVersion, clusterId, deviceUuid, deviceId });
  return Buffer.from(`${JSON.stringify({ identity: JSON.parse(body), sum: sumOf(body) }, null, 2)}\n`);
}

const sumOf = (body: string): string => xxh64(Buffer.from(body)).toString(16).padStart(16, '0');

/** undefined when there is none; Fault CorruptIdentity when it does not check. */
export async function readIdentity(disk: Disk, directory: string): Promise<DeviceIdentity | undefined> {
  let bytes: Buffer;
  try {
    bytes = await disk.readFile(path(directory));
  } catch (error) {
    if (isFault(error, diskFaults.notFound)) return undefined;
    throw error;
  }
  try {
    const { identity, sum } = JSON.parse(bytes.toString()) as { identity: DeviceIdentity; sum: string };
    if (sumOf(JSON.stringify(identity)) === sum && identity.formatVersion === DEVICE_FORMAT_VERSION) return identity;
  } catch {
    // Not JSON: the same answer as a wrong checksum.
  }
  throw new Fault(deviceFaults.corruptIdentity, { path: path(directory) }, `${path(directory)} does not check`);
}

/** Reads the identity, or gives a directory without one its own. Fault ForeignDisk when it is somebody else's. */
export async function claimDirectory(
  { disk, random }: { disk: Disk; random: Random },
  directory: string,
  { clusterId, deviceId }: { clusterId: string; deviceId: number },
): Promise<DeviceIdentity> {
  const found = await readIdentity(disk, directory);
  if (found) {
    if (found.clusterId === clusterId && found.deviceId === deviceId) return found;
    const message =
      `${directory} is device ${found.deviceId} of cluster ${found.clusterId}, ` +
      `not device ${deviceId} of cluster ${clusterId}: refused`;
    throw new Fault(
      deviceFaults.foreignDisk,
      { directory, clusterId: found.clusterId, deviceId: found.deviceId },
      message,
    );
  }
  if ((await disk.list(`${directory}/log`)).length > 0) {
    throw new Fault(deviceFaults.corruptIdentity, { directory }, `${directory} holds a log but no device.json`);
  }
  const deviceUuid = Buffer.from(random.bytes(16)).toString('hex');
  const identity = { formatVersion: DEVICE_FORMAT_VERSION, clusterId, deviceUuid, deviceId };
  await disk.replaceFile(path(directory), encodeIdentity(identity));
  return identity;
}
