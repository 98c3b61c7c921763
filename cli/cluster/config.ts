/** The TOML file behind --config: the options of `start` under their long names; the command line wins. */
import { readFileSync } from 'node:fs';
import { Fault } from '../../fabric/errors.ts';
import { parseToml } from '../../fabric/toml.ts';
import { OWNERSHIPS, type Ownership } from '../../proxy/object/acl-types.ts';
import { SWIFT_DEFAULTS, type SwiftOptions } from '../../proxy/swift-options.ts';
import { type NotificationTarget, readNotificationTargets, wrongNotificationKey } from './notification-config.ts';
import type { StartOptions } from './options.ts';
import { isZone, SERVICES, type Service, servicesOf, type VolumeHostOptions, wrongVolumeHostKey } from './services.ts';
import { readSwiftOptions, wrongSwiftKey } from './swift-config.ts';

/** What only the file can say. */
export interface FileOptions {
  /** Of this process. */
  readonly services: readonly Service[];
  /** HTTP engine of each listener. */
  readonly engine: 'node' | 'uws';
  readonly s3Engine: 'node' | 'uws';
  readonly consistency: 'strict' | 'available';
  /** Host suffixes for virtual-host style buckets. */
  readonly s3Domains: readonly string[];
  /** Ownership of new buckets that name none: BucketOwnerEnforced has no ACLs. */
  readonly objectOwnership: Ownership;
  /** How long a day of lifecycle rules is: less than 86,400 for tests alone. */
  readonly lifecycleDaySeconds: number;
  /** With which temporary URLs and forms may be signed; sha1 is for old clients. */
  readonly urlDigests: readonly string[];
  /** Expired objects stay, hidden, for so long before they are deleted. */
  readonly expiredKeptS: number;
  readonly swift: SwiftOptions;
  /** Webhooks that buckets may have told of their events. */
  readonly notification: readonly NotificationTarget[];
  /** Events that another proxy noted are left to it for so long. */
  readonly notificationTakeoverS: number;
  /** What S3 clients sign for, and catalogs say; the one of cluster.json by default. */
  readonly region?: string;
  /** Where clients reach the main port, when that is not where it listens: for catalogs and credentials.json. */
  readonly publicUrl?: string;
  /** HOST:PORT for those that share our identity, and DIR/identity-link.json of the one whose identity we share. */
  readonly identityListen?: string;
  readonly identityLink?: string;
  /** YAML files of rules that differ from the defaults, in the manner of oslo.policy. */
  readonly identityPolicy?: string;
  readonly volumePolicy?: string;
  /** Another object store than our own for volumes' snapshots: v1 auth, or Keystone when a project is named. */
  readonly volumesAuthUrl?: string;
  readonly volumesUser?: string;
  readonly volumesKey?: string;
  readonly volumesProject?: string;
  /** Of user and project. */
  readonly volumesDomain?: string;
  readonly volumesRegion?: string;
  readonly volumesContainer?: string;
  /** PEM file. */
  readonly volumesCa?: string;
  /** HOST:PORT where a Cinder elsewhere may ask for this host's volumes. */
  readonly volumesListen?: string;
  /** Availability zone of this host, and of those that have none. */
  readonly volumeZone?: string;
  /** Hosts elsewhere, for our Cinder. */
  readonly volumeHosts: readonly VolumeHostOptions[];
}

export type ClusterOptions = StartOptions & FileOptions;

const FILE_DEFAULTS: Omit<FileOptions, 'services'> = {
  engine: 'node',
  s3Engine: 'uws',
  consistency: 'strict',
  s3Domains: ['s3.localhost', 'localhost'],
  objectOwnership: 'BucketOwnerEnforced',
  lifecycleDaySeconds: 86_400,
  urlDigests: ['sha256', 'sha512'],
  expiredKeptS: 0,
  swift: SWIFT_DEFAULTS,
  notification: [],
  notificationTakeoverS: 30,
  volumeHosts: [],
};

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string';
const port: Check = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 65536;
/** HOST:PORT */
const address: Check = (value) => typeof value === 'string' && /^\S+:\d{1,5}$/.test(value);
const seconds: Check = (value) => Number.isInteger(value) && (value as number) >= 0;
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const daySeconds: Check = (value) => typeof value === 'number' && value >= 1 && value <= 86_400;
const textList: Check = (value) => Array.isArray(value) && value.every(text);
const listOf =
  (...values: readonly string[]): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(oneOf(...values));

/** TOML key, option, what it must be. */
const KEYS: readonly (readonly [key: string, option: keyof ClusterOptions, check: Check])[] = [
  ['data', 'data', text],
  ['host', 'host', text],
  ['port', 'port', port],
  ['s3-port', 's3Port', port],
  ['tls-cert', 'tlsCert', text],
  ['tls-key', 'tlsKey', text],
  ['processes', 'processes', oneOf('inline', 'zones')],
  ['log-level', 'logLevel', oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent')],
  ['engine', 'engine', oneOf('node', 'uws')],
  ['s3-engine', 's3Engine', oneOf('node', 'uws')],
  ['consistency', 'consistency', oneOf('strict', 'available')],
  ['s3-domains', 's3Domains', textList],
  ['s3-object-ownership', 'objectOwnership', oneOf(...OWNERSHIPS)],
  ['expired-kept-s', 'expiredKeptS', seconds],
  ['notification-takeover-s', 'notificationTakeoverS', seconds],
  ['s3-lifecycle-day-seconds', 'lifecycleDaySeconds', daySeconds],
  ['region', 'region', (value) => typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value)],
  ['public-url', 'publicUrl', (value) => typeof value === 'string' && /^https?:\/\/[^/]+$/.test(value)],
  ['identity-listen', 'identityListen', address],
  ['identity-link', 'identityLink', text],
  ['identity-policy', 'identityPolicy', text],
  ['volume-policy', 'volumePolicy', text],
  ['volumes-auth-url', 'volumesAuthUrl', text],
  ['volumes-user', 'volumesUser', text],
  ['volumes-key', 'volumesKey', text],
  ['volumes-project', 'volumesProject', text],
  ['volumes-domain', 'volumesDomain', text],
  ['volumes-region', 'volumesRegion', text],
  ['volumes-container', 'volumesContainer', text],
  ['volumes-ca', 'volumesCa', text],
  ['volumes-listen', 'volumesListen', address],
  ['volume-zone', 'volumeZone', isZone],
  ['services', 'services', listOf(...SERVICES)],
  ['url-digests', 'urlDigests', listOf('sha1', 'sha256', 'sha512')],
];

interface Section {
  readonly option: keyof FileOptions;
  /** The key in it that is wrong. */
  readonly wrong: (value: unknown) => string | undefined;
  /** Of what is right. */
  readonly read: (value: never) => unknown;
}

const SECTIONS: Readonly<Record<string, Section>> = {
  swift: { option: 'swift', wrong: wrongSwiftKey, read: readSwiftOptions },
  notification: { option: 'notification', wrong: wrongNotificationKey, read: readNotificationTargets },
  'volume-hosts': { option: 'volumeHosts', wrong: wrongVolumeHostKey, read: (value) => value },
};

/** Fault BadConfig names the file and the key. */
export function withConfig(options: StartOptions): ClusterOptions {
  const merged: Record<string, unknown> = { ...FILE_DEFAULTS, ...options };
  const { config: file = 'the configuration' } = options;
  const parsed = options.config === undefined ? {} : readToml(file);
  for (const [key, value] of Object.entries(parsed)) {
    const section = Object.hasOwn(SECTIONS, key) ? SECTIONS[key] : undefined;
    const wrong = section?.wrong(value);
    if (wrong !== undefined) throw new Fault('BadConfig', { file, key }, `${file}: "${wrong}" cannot be, or not so`);
    if (section) {
      merged[section.option] = section.read(value as never);
      continue;
    }
    const known = KEYS.find(([name]) => name === key);
    if (!known) throw new Fault('BadConfig', { file, key }, `${file}: unknown key "${key}"`);
    if (!known[2](value)) throw new Fault('BadConfig', { file, key }, `${file}: "${key}" has a value it cannot have`);
    if (!options.given.has(known[1])) merged[known[1]] = value;
  }
  const services = servicesOf(merged as unknown as ClusterOptions, file);
  return { ...merged, services } as unknown as ClusterOptions;
}

function readToml(file: string): Record<string, unknown> {
  try {
    return parseToml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Fault('BadConfig', { file }, `${file}: ${(error as Error).message.split('\n')[0]}`);
  }
}
