/**
 * Which services a process runs: all of them by default. The rules say what each one needs, from this process or over a link
 * from another; a configuration that breaks one does not start.
 */
import { Fault } from '../../fabric/errors.ts';

export const SERVICES = ['store', 'identity', 'cinder', 'volumes'] as const;
/**
 * store: the zones with Swift and S3. identity: Keystone's API. cinder: the block storage API, and who decides about volumes.
 * volumes: the volumes of this host.
 */
export type Service = (typeof SERVICES)[number];

/** A host elsewhere whose volumes Cinder keeps. */
export interface VolumeHostOptions {
  /** File: a copy of DIR/volumes-link.json of that host. */
  readonly link: string;
  /** Availability zone. */
  readonly zone?: string;
  /** `volume_backend_name`, for extra specs of types. */
  readonly backend?: string;
}

/** What of the configuration services depend on. */
interface Asked {
  readonly services?: readonly Service[] | undefined;
  readonly identityLink?: string | undefined;
  readonly identityListen?: string | undefined;
  readonly volumesListen?: string | undefined;
  readonly volumesAuthUrl?: string | undefined;
  readonly volumeHosts: readonly VolumeHostOptions[];
}

/** Fault BadConfig says what is missing. */
export function servicesOf(asked: Asked, file: string): readonly Service[] {
  const byDefault = SERVICES.filter((one) => one !== 'identity' || asked.identityLink === undefined);
  const services = asked.services ?? byDefault;
  const wrong = wrongServices(services, asked);
  if (wrong !== undefined) throw new Fault('BadConfig', { file }, `${file}: ${wrong}`);
  return services;
}

function wrongServices(services: readonly Service[], asked: Asked): string | undefined {
  const { identityLink, identityListen, volumesListen, volumesAuthUrl, volumeHosts } = asked;
  const [store, identity, cinder, volumes] = SERVICES.map((one) => services.includes(one));
  if (identity && identityLink !== undefined) return 'identity is a service of this process, or behind identity-link';
  if (!identity && identityListen !== undefined) return 'identity-listen needs the service identity';
  if (cinder && !identity && identityLink === undefined)
    return 'the service cinder needs identity, here or behind identity-link';
  if (cinder && !volumes && volumeHosts.length === 0)
    return 'the service cinder needs hosts: the service volumes here, or volume-hosts';
  if (!cinder && volumeHosts.length > 0) return 'volume-hosts needs the service cinder';
  if (volumes && !store && volumesAuthUrl === undefined)
    return 'the service volumes needs an object store: the service store here, or volumes-auth-url';
  if (!volumes && volumesListen !== undefined) return 'volumes-listen needs the service volumes';
  return undefined;
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const HOST_KEYS: Readonly<Record<keyof VolumeHostOptions, (value: unknown) => boolean>> = {
  link: (value) => typeof value === 'string' && value !== '',
  zone: isZone,
  backend: isZone,
};

/** A name of an availability zone, or of a backend. */
export function isZone(value: unknown): boolean {
  return typeof value === 'string' && /^[A-Za-z0-9_.-]{1,255}$/.test(value);
}

/** The key that is wrong of [[volume-hosts]]; undefined when all are right. */
export function wrongVolumeHostKey(hosts: unknown): string | undefined {
  if (!Array.isArray(hosts)) return 'volume-hosts';
  for (const host of hosts as unknown[]) {
    if (!isTable(host) || host['link'] === undefined) return 'volume-hosts.link';
    for (const [key, value] of Object.entries(host))
      if (!Object.hasOwn(HOST_KEYS, key) || !HOST_KEYS[key as keyof VolumeHostOptions](value))
        return `volume-hosts.${key}`;
  }
  return undefined;
}
