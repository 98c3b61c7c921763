/** Section [swift] of the configuration file: what an operator may set of the Swift API. docs/operations.md lists it. */
import { type PolicyOption, type RatePoint, SWIFT_DEFAULTS, type SwiftOptions } from '../../proxy/swift-options.ts';
import { isSyncSection, readSyncOptions } from './sync-config.ts';

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const rate: Check = (value) => typeof value === 'number' && value >= 0;
const count: Check = (value) => Number.isInteger(value) && (value as number) >= 0;
const texts: Check = (value) => Array.isArray(value) && value.every(text);
const rates: Check = (value) =>
  Array.isArray(value) && value.every((each) => Array.isArray(each) && each.length === 2 && each.every(rate));
const pattern: Check = (value) => {
  try {
    return typeof value === 'string' && new RegExp(value) instanceof RegExp;
  } catch {
    return false;
  }
};

const policies: Check = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every(isPolicy) &&
  value[0]?.deprecated !== true &&
  hasOwnNames(value);

interface PolicyTable {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly deprecated?: boolean;
}

function isPolicy(value: unknown): value is PolicyTable {
  if (typeof value !== 'object' || value === null) return false;
  const { name, aliases = [], deprecated = false, ...rest } = value as Readonly<Record<string, unknown>>;
  const names = Array.isArray(aliases) ? [name, ...aliases] : [undefined];
  const areNames = names.every((each) => typeof each === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(each));
  return areNames && flag(deprecated) && Object.keys(rest).length === 0;
}

function hasOwnNames(tables: readonly PolicyTable[]): boolean {
  const names = tables.flatMap(({ name, aliases = [] }) => [name, ...aliases]).map((name) => name.toLowerCase());
  return new Set(names).size === names.length;
}

const KEYS: Readonly<Record<string, Check>> = {
  'storage-domains': texts,
  'default-reseller-prefix': text,
  'cname-depth': count,
  nameservers: texts,
  policies,
  'forbidden-chars': text,
  'path-bytes-max': count,
  'forbidden-pattern': pattern,
  'read-only': flag,
  'read-only-allows-deletes': flag,
  'account-rate': rate,
  'container-rates': rates,
  'listing-rates': rates,
  'rate-sleep-max-s': rate,
  'rate-buffer-s': rate,
  'quoted-etags': flag,
  'account-management': flag,
  'reap-delay-s': rate,
  'cross-domain-policy': text,
  'container-sync': isSyncSection,
};
const RATE_KEYS = ['account-rate', 'container-rates', 'listing-rates', 'rate-sleep-max-s', 'rate-buffer-s'];
const NAME_KEYS = ['forbidden-chars', 'path-bytes-max', 'forbidden-pattern'];
const PATH_BYTES_MAX = 255;
const SLEEP_MAX_S = 60;
const BUFFER_S = 5;

/** The key that is wrong; undefined when all are right. */
export function wrongSwiftKey(section: unknown): string | undefined {
  if (typeof section !== 'object' || section === null || Array.isArray(section)) return 'swift';
  const wrong = Object.entries(section).find(([key, value]) => !Object.hasOwn(KEYS, key) || !KEYS[key]?.(value));
  return wrong && `swift.${wrong[0]}`;
}

/** Of a section that was checked. */
export function readSwiftOptions(section: Readonly<Record<string, unknown>>): SwiftOptions {
  const read = <T>(key: string, otherwise: T): T => (section[key] as T | undefined) ?? otherwise;
  const has = (keys: readonly string[]): boolean => keys.some((key) => section[key] !== undefined);
  const points = (key: string): readonly RatePoint[] =>
    read<[number, number][]>(key, [])
      .map(([objects, perS]) => ({ objects, perS }))
      .sort((a, b) => a.objects - b.objects);
  return {
    storageDomains: read('storage-domains', SWIFT_DEFAULTS.storageDomains),
    defaultResellerPrefix: read<string | undefined>('default-reseller-prefix', undefined),
    cnameDepth: read('cname-depth', SWIFT_DEFAULTS.cnameDepth),
    nameservers: read('nameservers', SWIFT_DEFAULTS.nameservers),
    policies: (section['policies'] as readonly PolicyTable[] | undefined)?.map(readPolicy) ?? SWIFT_DEFAULTS.policies,
    nameCheck: has(NAME_KEYS)
      ? {
          forbiddenChars: read('forbidden-chars', '\'"`<>'),
          lengthMax: read('path-bytes-max', PATH_BYTES_MAX),
          forbiddenPattern: read('forbidden-pattern', '/\\./|/\\.\\./|/\\.$|/\\.\\.$'),
        }
      : undefined,
    readOnly: read('read-only', SWIFT_DEFAULTS.readOnly),
    readOnlyAllowsDeletes: read('read-only-allows-deletes', SWIFT_DEFAULTS.readOnlyAllowsDeletes),
    rates: has(RATE_KEYS)
      ? {
          account: read('account-rate', 0),
          container: points('container-rates'),
          listing: points('listing-rates'),
          sleepMaxS: read('rate-sleep-max-s', SLEEP_MAX_S),
          bufferS: read('rate-buffer-s', BUFFER_S),
        }
      : undefined,
    quotedEtags: read('quoted-etags', SWIFT_DEFAULTS.quotedEtags),
    accountManagement: read('account-management', SWIFT_DEFAULTS.accountManagement),
    reapDelayS: read('reap-delay-s', SWIFT_DEFAULTS.reapDelayS),
    crossDomainPolicy: read<string | undefined>('cross-domain-policy', undefined),
    sync: readSyncOptions(section['container-sync'] as Readonly<Record<string, unknown>> | undefined),
  };
}

function readPolicy({ name, aliases = [], deprecated = false }: PolicyTable): PolicyOption {
  return { name, aliases, deprecated };
}
