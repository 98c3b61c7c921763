/** Symbolic links between headers and the store: how one is made, and how an object is opened through it. */
import { isFault } from '../../fabric/errors.ts';
import { type Conditions, type ObjectInfo, type ObjectRef, type OpenObject, storeFaults } from '../object/contract.ts';
import {
  LINK_ACCOUNT_HEADER,
  LINK_BYTES_HEADER,
  LINK_ETAG_HEADER,
  LINK_HEADER,
  openThroughLinks,
  type Reached,
} from '../object/links.ts';
import type { SwiftCall } from './call.ts';
import { bareEtag } from './conditions.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { decodeName, encodeName } from './names.ts';
import { openVersion, pushVersion, readVersionId, versionLocation } from './versions.ts';

const LINK_TYPE = 'application/symlink';

/** `symlink=get`: the link itself is meant. */
export function wantsLink(call: SwiftCall): boolean {
  return call.http.query !== undefined && call.params.get('symlink') === 'get';
}

export async function openObject(call: SwiftCall, conditions: Conditions | undefined): Promise<Reached<OpenObject>> {
  const { store } = call.world;
  const { objectRef } = call;
  const options = conditions ? { conditions } : NO_OPTIONS;
  const plain = (ref: ObjectRef): Promise<OpenObject> => store.getObject(call, ref, options);
  const infoOf = ({ info }: OpenObject): ObjectInfo => info;
  // A version is asked for of the first object, not of what a link leads to.
  const open = (ref: ObjectRef): Promise<OpenObject> =>
    ref === objectRef ? openVersion(call, ref, { open: plain, infoOf }) : plain(ref);
  if (wantsLink(call)) return { opened: await open(objectRef), ref: objectRef };
  return openThroughLinks(objectRef, open, infoOf);
}

export async function findObject(
  call: SwiftCall,
  ref: ObjectRef,
  conditions?: Conditions | undefined,
): Promise<Reached<ObjectInfo>> {
  const options = conditions ? { conditions } : NO_OPTIONS;
  const plain = (at: ObjectRef): Promise<ObjectInfo> => call.world.store.headObject(call, at, options);
  const infoOf = (info: ObjectInfo): ObjectInfo => info;
  const head = (at: ObjectRef): Promise<ObjectInfo> =>
    at === ref ? openVersion(call, at, { open: plain, infoOf }) : plain(at);
  if (wantsLink(call)) return { opened: await head(ref), ref };
  return openThroughLinks(ref, head, infoOf);
}
const NO_OPTIONS = {};

/** Headers that an answer gets because its object was reached through a link. */
export function pushLocation(
  headers: string[],
  call: SwiftCall,
  { ref, info }: { ref: ObjectRef; info: ObjectInfo },
): void {
  const { account, container, object } = ref;
  const isSame = object === call.object && container === call.container && account === call.account;
  if (isSame) pushVersion(headers, call, info);
  if (!isSame) headers.push('Content-Location', locationOf(ref));
  else if (info.versionId !== undefined && info.versionId !== 'null' && readVersionId(call) === undefined) {
    headers.push('Content-Location', versionLocation(locationOf(ref), info.versionId));
  }
}

export function locationOf({ account, container, object }: ObjectRef): string {
  return `/v1/${encodeName(account)}/${encodeName(container)}/${encodeName(object)}`;
}

export interface NewLink {
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
}

/** The link that a PUT asks for; undefined when it asks for none. */
export async function readLink(call: SwiftCall): Promise<NewLink | undefined> {
  if (call.header(LINK_HEADER) === undefined) return undefined;
  if (call.http.body.lengthBytes !== 0) {
    throw refuse(swiftFaults.badRequest, 'Symlink requests require a zero byte body');
  }
  const target = readTarget(call);
  const headers: Record<string, string> = { [LINK_HEADER]: encodeName(`${target.container}/${target.object}`) };
  if (call.header(LINK_ACCOUNT_HEADER)) headers[LINK_ACCOUNT_HEADER] = encodeName(target.account);
  const etag = call.header(LINK_ETAG_HEADER);
  if (!etag) return { headers, contentType: LINK_TYPE };
  if (call.isSync) {
    // The target may come later; what it is was checked where the link was made.
    headers[LINK_ETAG_HEADER] = bareEtag(etag);
    headers[LINK_BYTES_HEADER] = String(Number.parseInt(call.header(LINK_BYTES_HEADER) ?? '0', 10) || 0);
    return { headers, contentType: LINK_TYPE };
  }
  const info = await checkTarget(call, target, bareEtag(etag));
  headers[LINK_ETAG_HEADER] = info.etag;
  headers[LINK_BYTES_HEADER] = String(info.sizeBytes);
  return { headers, contentType: info.contentType };
}

function readTarget(call: SwiftCall): ObjectRef {
  const path = decodeName(call.header(LINK_HEADER) ?? '');
  const slash = path.indexOf('/');
  const container = path.slice(0, slash);
  const object = path.slice(slash + 1);
  if (slash < 1 || object === '') {
    const text = 'X-Symlink-Target header must be of the form <container name>/<object name>';
    throw refuseAsPage(swiftFaults.preconditionFailed, text);
  }
  const account = decodeName(call.header(LINK_ACCOUNT_HEADER) || (call.account ?? ''));
  if (account.includes('/')) throw refuseAsPage(swiftFaults.preconditionFailed, 'Account name cannot contain slashes');
  if (account === call.account && container === call.container && object === call.object) {
    throw refuse(swiftFaults.badRequest, 'Symlink cannot target itself');
  }
  return { account, container, object };
}

/** A static link is made of what is there now. */
async function checkTarget(call: SwiftCall, target: ObjectRef, wanted: string): Promise<ObjectInfo> {
  const info = await findObject(call, target).then(
    ({ opened }) => opened,
    (error: unknown): never => {
      const isMissing = isFault(error, storeFaults.noSuchObject) || isFault(error, storeFaults.noSuchContainer);
      throw isMissing ? refuse(swiftFaults.conflict, 'X-Symlink-Target does not exist') : error;
    },
  );
  if (info.etag === wanted) return info;
  const text = `Object Etag '${info.etag}' does not match X-Symlink-Target-Etag header '${wanted}'`;
  throw refuse(swiftFaults.conflict, text.replace(/[^\x20-\x7e]/g, '?'));
}
