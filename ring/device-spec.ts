/**
 * Devices as operators write them on a command line, in the notation Swift's operators know:
 * `r<region>z<zone>-<ip>:<port>[R<replication ip>:<port>]/<device>[_<meta>]`. Parses and prints; asks nobody.
 */
import { Fault } from '../fabric/errors.ts';
import type { NewDevice } from './builder.ts';
import { type Device, ringFaults } from './contract.ts';

const address = String.raw`(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})`;
const newDevicePattern = new RegExp(String.raw`^(?:r(\d+))?z(\d+)-${address}(?:R${address})?/([^/_]+)(?:_(.*))?$`);

/** The region defaults to 1, as in Swift. @throws Fault BadRingArgument */
export function parseNewDevice(text: string, weight: number): NewDevice {
  const match = newDevicePattern.exec(text);
  if (!match) throw bad(`"${text}" is not r<region>z<zone>-<ip>:<port>/<device>[_<meta>]`);
  const [, region = '1', zone, ip6, ip, port, replicationIp6, replicationIp, replicationPort, device = '', meta = ''] =
    match;
  const own = { ip: hostOf(ip6 ?? ip ?? ''), port: Number(port), device, meta };
  const place = { region: Number(region), zone: Number(zone), weight };
  if (replicationPort === undefined) return { ...own, ...place };
  const replication = hostOf(replicationIp6 ?? replicationIp ?? '');
  return { ...own, ...place, replicationIp: replication, replicationPort: Number(replicationPort) };
}

/** By id (`7` or `d7`) or by place (`10.0.0.1:6200/sdb1`). @throws Fault BadRingArgument when not exactly one matches */
export function findDevice(devices: readonly (Device | null)[], text: string): Device {
  const id = /^d?(\d+)$/.exec(text)?.[1];
  const matches = devices.filter((device): device is Device => {
    return device !== null && (id === undefined ? placeOf(device) === text.toLowerCase() : device.id === Number(id));
  });
  const [device] = matches;
  if (device && matches.length === 1) return device;
  throw bad(
    matches.length > 1 ? `"${text}" matches ${matches.length} devices: give the id` : `there is no device "${text}"`,
  );
}

/** `r1z2-10.0.0.1:6200/sdb1` */
export function printDevice(device: Device): string {
  return `r${device.region}z${device.zone}-${printAddress(device.ip, device.port)}/${device.device}`;
}

export function printAddress(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function placeOf(device: Device): string {
  return `${printAddress(device.ip, device.port)}/${device.device}`.toLowerCase();
}

/** Host names are allowed too: containers have no stable addresses. Case or zeros never make two hosts out of one. */
function hostOf(text: string): string {
  const host = text.toLowerCase();
  if (host.includes(':')) return ip6Of(host);
  const numbers = host.split('.');
  const isName = numbers.some((part) => !/^\d+$/.test(part));
  const isIp4 = numbers.length === 4 && numbers.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!isName && !isIp4) throw bad(`"${text}" is not an address`);
  return host;
}

/** The URL parser is the one checker of IPv6 addresses that needs no network module; it shortens them alike. */
function ip6Of(host: string): string {
  try {
    return new URL(`http://[${host}]`).hostname.slice(1, -1);
  } catch {
    throw bad(`"${host}" is not an address`);
  }
}

function bad(message: string): Fault {
  return new Fault(ringFaults.badArgument, {}, message);
}
