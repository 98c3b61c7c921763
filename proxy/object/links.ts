/**
 * Symbolic links: an empty object whose headers name another one, in any container or account. A static link also names
 * the ETag that the other must have. Who reads a link reads what it leads to, with the rights that takes there; everything
 * else is about the link itself.
 */
import type { Metadata } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';

export const LINK_HEADER = 'x-symlink-target';
export const LINK_ACCOUNT_HEADER = 'x-symlink-target-account';
export const LINK_ETAG_HEADER = 'x-symlink-target-etag';
export const LINK_BYTES_HEADER = 'x-symlink-target-bytes';
export const LINK_HEADERS = [LINK_HEADER, LINK_ACCOUNT_HEADER, LINK_ETAG_HEADER, LINK_BYTES_HEADER];
/** One after the other. */
export const LINKS_MAX = 2;

export interface Link {
  readonly target: ObjectRef;
  /** Of a static link. */
  readonly etag: string | undefined;
}

/** `headers`: of the object at `ref`. The target's account is the link's own unless it says otherwise. */
export function linkOf(ref: ObjectRef, headers: Metadata): Link | undefined {
  const path = headers[LINK_HEADER];
  if (path === undefined) return undefined;
  const [container = '', ...rest] = path.split('/').map(decodeURIComponent);
  const account = headers[LINK_ACCOUNT_HEADER];
  const target = { account: account === undefined ? ref.account : decodeURIComponent(account), container };
  return { target: { ...target, object: rest.join('/') }, etag: headers[LINK_ETAG_HEADER] };
}

export interface Reached<Opened> {
  readonly opened: Opened;
  readonly ref: ObjectRef;
}

type Open<Opened> = (ref: ObjectRef) => Promise<Opened>;

/**
 * Opens `ref` and goes where it leads. `open` may judge conditions, which are about what is reached. Faults TooManyLinks
 * (details: max), LinkChanged (details: etag, wanted).
 */
export async function openThroughLinks<Opened>(
  ref: ObjectRef,
  open: Open<Opened>,
  infoOf: (opened: Opened) => ObjectInfo,
): Promise<Reached<Opened>> {
  const wanted: string[] = [];
  let at = ref;
  for (let links = 0; ; links++) {
    const found = await openOrLink(at, open);
    const info = found.link ?? infoOf(found.opened);
    const link = linkOf(at, info.headers);
    if (link === undefined && found.link === undefined) {
      for (const etag of wanted) if (etag !== info.etag) throw changed(info.etag, etag);
      return { opened: found.opened, ref: at };
    }
    if (link === undefined || links === LINKS_MAX) throw new Fault(storeFaults.tooManyLinks, { max: LINKS_MAX });
    if (link.etag !== undefined) wanted.push(link.etag);
    at = link.target;
  }
}

function changed(etag: string, wanted: string): Fault {
  return new Fault(storeFaults.linkChanged, { etag, wanted });
}

/** What is there, or the link on which the conditions failed: they were not meant for it. */
async function openOrLink<Opened>(
  ref: ObjectRef,
  open: Open<Opened>,
): Promise<{ readonly opened: Opened; readonly link?: undefined } | { readonly link: ObjectInfo }> {
  try {
    return { opened: await open(ref) };
  } catch (error) {
    const info = isFault(error) ? (error.details['info'] as ObjectInfo | undefined) : undefined;
    if (info?.headers[LINK_HEADER] === undefined) throw error;
    return { link: info };
  }
}

/** Headers that replace others, with what makes the object a link: that stays for its life. */
export function withLinkOf(old: Metadata | undefined, headers: Metadata | undefined): Metadata | undefined {
  if (headers === undefined || old?.[LINK_HEADER] === undefined) return headers ?? old;
  const next: Record<string, string> = { ...headers };
  for (const name of LINK_HEADERS) if (old[name] !== undefined) next[name] = old[name];
  return next;
}

/** How a listing shows a link. */
export interface ListedLink {
  /** `/account/container/object`, percent-encoded. */
  readonly path: string;
  readonly etag?: string;
  readonly sizeBytes?: number;
}

export function listedLink(account: string, headers: Metadata): ListedLink {
  const path = `/${headers[LINK_ACCOUNT_HEADER] ?? encodeURIComponent(account)}/${headers[LINK_HEADER]}`;
  const etag = headers[LINK_ETAG_HEADER];
  return etag === undefined ? { path } : { path, etag, sizeBytes: Number(headers[LINK_BYTES_HEADER]) };
}
