/** Section [swift.container-sync] of the configuration file: with which clusters containers may be synchronised. */
import { SYNC_DEFAULTS, type SyncOptions, type SyncRealm } from '../../proxy/sync-realms.ts';

type Table = Readonly<Record<string, unknown>>;

/** As in Swift, for who wants it at all. */
const ALLOWED_HOSTS = ['127.0.0.1'];
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const CURRENT = /^\/\/([A-Za-z0-9_.-]{1,64})\/([A-Za-z0-9_.-]{1,64})\/?$/;

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The base of all accounts: no query, no user, nothing behind. */
function isEndpoint(value: unknown): boolean {
  if (!isText(value) || !URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return (protocol === 'http:' || protocol === 'https:') && [username, password, search, hash].every((part) => !part);
}

const KEYS: Readonly<Record<string, (value: unknown) => boolean>> = {
  current: (value) => isText(value) && CURRENT.test(value),
  'allowed-hosts': (value) => Array.isArray(value) && value.every(isText),
  'full-urls': (value) => typeof value === 'boolean',
  realms: (value) =>
    isTable(value) && Object.entries(value).every(([name, realm]) => NAME.test(name) && isRealm(realm)),
};

function isRealm(value: unknown): boolean {
  if (!isTable(value)) return false;
  const { key, key2, clusters = {}, ...rest } = value;
  if (!isText(key) || !(key2 === undefined || isText(key2)) || !isTable(clusters)) return false;
  const named = Object.entries(clusters).every(([name, url]) => NAME.test(name) && isEndpoint(url));
  return named && Object.keys(rest).length === 0;
}

export function isSyncSection(section: unknown): boolean {
  if (!isTable(section)) return false;
  if (!Object.entries(section).every(([key, value]) => Object.hasOwn(KEYS, key) && KEYS[key]?.(value))) return false;
  const { realms, current } = readSyncOptions(section);
  const count = Object.keys((section['realms'] as Table | undefined) ?? {}).length;
  // Names that differ in case alone are one; who we are must be among them.
  return realms.size === count && (!current || realms.get(current.realm)?.clusters.has(current.cluster) === true);
}

/** Of a section that was checked. */
export function readSyncOptions(section: Table | undefined): SyncOptions {
  if (section === undefined) return SYNC_DEFAULTS;
  const [, realm = '', cluster = ''] = CURRENT.exec(String(section['current'] ?? '')) ?? [];
  const realms = Object.entries((section['realms'] ?? {}) as Readonly<Record<string, Table>>).map(readRealm);
  return {
    realms: new Map(realms.map((each) => [each.name.toUpperCase(), each])),
    current: realm === '' ? undefined : { realm: realm.toUpperCase(), cluster: cluster.toUpperCase() },
    allowedHosts: (section['allowed-hosts'] as readonly string[] | undefined) ?? ALLOWED_HOSTS,
    fullUrls: (section['full-urls'] as boolean | undefined) ?? SYNC_DEFAULTS.fullUrls,
  };
}

function readRealm([name, realm]: [string, Table]): SyncRealm {
  const clusters = Object.entries((realm['clusters'] ?? {}) as Readonly<Record<string, string>>);
  return {
    name,
    key: realm['key'] as string,
    key2: realm['key2'] as string | undefined,
    clusters: new Map(clusters.map(([cluster, url]) => [cluster.toUpperCase(), url])),
  };
}
