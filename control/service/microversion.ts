/**
 * Microversions: `OpenStack-API-Version: volume 3.44`, `latest`, the older headers of single services, and the answers that
 * clients rely on: 400 when malformed, 406 outside the range.
 */
import { Fault } from '../../fabric/errors.ts';
import { apiFaults } from './faults.ts';

export class Microversion {
  readonly major: number;
  readonly minor: number;

  constructor(major: number, minor: number) {
    this.major = major;
    this.minor = minor;
  }

  /** Throws on anything but `major.minor`: for texts of our own. */
  static of(text: string): Microversion {
    const version = Microversion.parse(text);
    if (version === undefined) throw new Error(`not a microversion: ${text}`);
    return version;
  }

  static parse(text: string): Microversion | undefined {
    const match = /^([1-9]\d{0,3}|0)\.([1-9]\d{0,3}|0)$/.exec(text);
    return match ? new Microversion(Number(match[1]), Number(match[2])) : undefined;
  }

  compare(other: Microversion): number {
    return this.major - other.major || this.minor - other.minor;
  }

  atLeast(text: string): boolean {
    return this.compare(Microversion.of(text)) >= 0;
  }

  /** Both inclusive; undefined is no bound. */
  within(min: string | undefined, max: string | undefined): boolean {
    return (min === undefined || this.atLeast(min)) && (max === undefined || this.compare(Microversion.of(max)) <= 0);
  }

  toString(): string {
    return `${this.major}.${this.minor}`;
  }
}

export const NO_VERSION = new Microversion(0, 0);

export interface VersionRange {
  readonly min: Microversion;
  readonly max: Microversion;
}

/** The version that a service's part of the header asks for: the first of `volume 3.44, compute 2.1` that is about it. */
export function askedVersion(header: string | undefined, service: string): string | undefined {
  for (const part of (header ?? '').split(',')) {
    const [name, version, ...rest] = part.trim().split(/\s+/);
    if (isNameOf(service, name)) return rest.length > 0 ? part.trim() : (version ?? '');
  }
  return undefined;
}

/** Also as a type of the catalog: gophercloud asks for `volumev3 3.44`, and Cinder takes that for its own. */
function isNameOf(service: string, name = ''): boolean {
  const lower = name.toLowerCase();
  return lower.startsWith(service) && /^(?:v\d)?$/.test(lower.slice(service.length));
}

/** `asked` undefined gives the lowest. Fault BadRequest when malformed. */
export function readVersion(asked: string | undefined, { min, max }: VersionRange): Microversion {
  if (asked === undefined) return min;
  if (asked.toLowerCase() === 'latest') return max;
  const version = Microversion.parse(asked);
  if (version) return version;
  const message = `API Version String ${printable(asked)} is of invalid format. Must be of format MajorNum.MinorNum.`;
  throw new Fault(apiFaults.badRequest, {}, message);
}

/** Fault NotAcceptable outside of it. */
export function checkRange(version: Microversion, { min, max }: VersionRange): void {
  if (version.compare(min) >= 0 && version.compare(max) <= 0) return;
  const message = `Version ${version} is not supported by the API. Minimum is ${min} and maximum is ${max}.`;
  throw new Fault(apiFaults.notAcceptable, {}, message);
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
