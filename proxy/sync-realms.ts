/**
 * Where containers may be synchronised to: realms of clusters that share a key, and hosts that full URLs may name. What a
 * client says in X-Container-Sync-To becomes an address here and nowhere else, so that the server never asks whom its
 * operator did not name. Pure. https://docs.openstack.org/swift/latest/overview_container_sync.html
 */

export interface SyncRealm {
  /** As the operator wrote it. */
  readonly name: string;
  readonly key: string;
  /** Accepted as well, while keys are changed. */
  readonly key2?: string | undefined;
  /** By name in upper case: where its accounts are, e.g. `https://host/v1/`. */
  readonly clusters: ReadonlyMap<string, string>;
}

export interface SyncOptions {
  /** By name in upper case. */
  readonly realms: ReadonlyMap<string, SyncRealm>;
  /** Names in upper case of the realm and the cluster that this one is, for `/info`. */
  readonly current?: { readonly realm: string; readonly cluster: string } | undefined;
  /** Hosts that a full URL may name. */
  readonly allowedHosts: readonly string[];
  /** Whether X-Container-Sync-To may be a full URL at all. */
  readonly fullUrls: boolean;
}

/** Nowhere. */
export const SYNC_DEFAULTS: SyncOptions = { realms: new Map(), allowedHosts: [], fullUrls: true };

export const SYNC_TO = 'x-container-sync-to';
export const SYNC_KEY = 'x-container-sync-key';

/** A container of another cluster, or of this one. */
export interface SyncAddress {
  /** `http:` or `https:`, host and port. */
  readonly origin: string;
  /** Of the container, percent-encoded as it is signed; no slash at the end. */
  readonly path: string;
  /** Absent for a full URL: the container's key is sent as it is. */
  readonly realm?: { readonly name: string; readonly key: string } | undefined;
}

export type SyncTo = { readonly address: SyncAddress } | { readonly error: string };

/** `value`: as sent, latin1. Undefined for one that says nothing. */
export function readSyncTo(value: string, options: SyncOptions): SyncTo | undefined {
  const trimmed = withoutEnd(value);
  if (trimmed === '') return undefined;
  return trimmed.startsWith('//') ? ofRealm(trimmed, value, options) : ofUrl(trimmed, options);
}

function ofRealm(trimmed: string, value: string, { realms }: SyncOptions): SyncTo {
  const [realmName = '', clusterName = '', account = '', container = '', ...more] = trimmed.slice(2).split('/');
  const malformed = { error: `Invalid X-Container-Sync-To format ${quoted(value)}` };
  if (trimmed.slice(2).split('/').length !== 4 || more.length > 0) return malformed;
  const realm = realms.get(realmName.toUpperCase());
  if (!realm) return { error: `No realm key for ${quoted(realmName)}` };
  const endpoint = realm.clusters.get(clusterName.toUpperCase());
  if (endpoint === undefined) return { error: `No cluster endpoint for ${quoted(realmName)} ${quoted(clusterName)}` };
  if (!isName(account) || !isName(container)) return malformed;
  const { origin, pathname } = new URL(endpoint);
  const path = signedPath(`${withoutEnd(pathname)}/${account}/${container}`);
  return { address: { origin, path, realm: { name: realmName.toUpperCase(), key: realm.key } } };
}

/** A part of a path that can neither leave its place nor begin a query. */
function isName(part: string): boolean {
  if (/[\x00-\x20?#\\\x7f]/.test(part)) return false;
  const decoded = part.replace(/%2e/gi, '.').replace(/%2f/gi, '/');
  return decoded !== '' && decoded !== '.' && decoded !== '..' && !decoded.includes('/') && !/%00/.test(part);
}

const FULL_URL = /^(https?):\/\/([^/?#\\]*)(\/[^?#;\\]*)?([?#;].*)?$/i;

function ofUrl(trimmed: string, { allowedHosts }: SyncOptions): SyncTo {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(trimmed)?.[1]?.toLowerCase() ?? '';
  if (scheme !== 'http' && scheme !== 'https') {
    return { error: `Invalid scheme ${quoted(scheme)} in X-Container-Sync-To, must be "//", "http", or "https".` };
  }
  const [, , authority = '', path = '', rest = ''] = FULL_URL.exec(trimmed) ?? [];
  if (path === '') return { error: 'Path required in X-Container-Sync-To' };
  if (rest !== '') return { error: 'Params, queries, and fragments not allowed in X-Container-Sync-To' };
  const base = `${scheme}://${authority}`;
  const url = URL.canParse(base) ? new URL(base) : undefined;
  // As written: the same address in another notation was not what the operator allowed.
  const host = authority
    .replace(/^.*@/, '')
    .replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  const isSame = url?.hostname.replace(/^\[|\]$/g, '') === host && url.username === '' && !authority.includes('@');
  if (!url || !isSame || !allowedHosts.includes(host)) {
    return { error: `Invalid host ${quoted(host)} in X-Container-Sync-To` };
  }
  if (!path.slice(1).split('/').every(isName)) return { error: 'Path required in X-Container-Sync-To' };
  return { address: { origin: url.origin, path: signedPath(path) } };
}

/** Python's repr of a text, as Swift shows it. */
function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[^\x20-\x7e]/g, '?').replaceAll('\\', '\\\\');
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && text.charAt(end - 1) === '/') end--;
  return text.slice(0, end);
}

const SAFE = /[A-Za-z0-9_.~/-]/;

/** A path as both sides sign it: escapes resolved, and everything but unreserved characters and slashes escaped again. */
export function signedPath(path: string): string {
  const bytes = Buffer.from(path, 'latin1')
    .toString('latin1')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  let signed = '';
  for (const character of bytes) signed += SAFE.test(character) ? character : escaped(character);
  return signed;
}

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
