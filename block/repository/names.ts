/**
 * Names of the objects of a repository; docs/formats/snapshot-objects.md lists them. Content is named by keyed hash and
 * generation, so that a name that was swept is never written again; everything else by lineage and id.
 */
import { Fault } from '../../fabric/errors.ts';
import { repositoryFaults } from './faults.ts';

const ID = /^[A-Za-z0-9._-]{1,64}$/;
const HASH_DIGITS = 64;
const GENERATION_DIGITS = 8;
export const GENERATION_MAX = 0xffffffff;

export type ContentKind = 'chunks' | 'nodes';

export const REPOSITORY_NAME = 'repository';
export const OWNER_NAME = 'owner';

export const lineageName = (lineage: string): string => `lineages/${lineage}`;
export const snapshotPrefix = (lineage?: string): string => prefixOf('snapshots', lineage);
export const snapshotName = (lineage: string, id: string): string => `snapshots/${lineage}/${id}`;
export const progressName = (lineage: string, id: string): string => `progress/${lineage}/${id}`;
export const workPrefix = (lineage?: string): string => prefixOf('work', lineage);
/** Says that a snapshot is being uploaded or was deleted: there may be garbage. */
export const workName = ({ lineage, id, why, nonce }: WorkMarker): string => `work/${lineage}/${id}/${why}-${nonce}`;

export interface WorkMarker {
  readonly lineage: string;
  readonly id: string;
  readonly why: 'upload' | 'delete';
  readonly nonce: string;
}

export function parseWorkName(name: string): WorkMarker | undefined {
  const [, lineage, id, why, nonce] = /^work\/([^/]+)\/([^/]+)\/(upload|delete)-([0-9a-f]+)$/.exec(name) ?? [];
  if (!lineage || !id || !nonce) return undefined;
  return { lineage, id, why: why === 'upload' ? 'upload' : 'delete', nonce };
}

export const readerPrefix = (lineage: string): string => `readers/${lineage}/`;
export const readerName = (lineage: string, id: string, nonce: string): string => `readers/${lineage}/${id}/${nonce}`;
export const gcStateName = (lineage: string): string => `gc/${lineage}/state`;
export const condemnedPrefix = (lineage: string): string => `gc/${lineage}/condemned-`;
export const condemnedName = (lineage: string, round: number, part: string): string =>
  `${condemnedPrefix(lineage)}${generationText(round)}-${part}`;

export const contentPrefix = (kind: ContentKind, lineage: string): string => `${kind}/${lineage}/`;
export const hashPrefix = (kind: ContentKind, lineage: string, hash: Buffer): string =>
  `${kind}/${lineage}/${hash.toString('hex')}.`;

export function contentName(kind: ContentKind, lineage: string, { hash, generation }: ContentId): string {
  return `${kind}/${lineage}/${hash.toString('hex')}.${generationText(generation)}`;
}

export interface ContentId {
  /** 32 bytes, keyed by the lineage. */
  readonly hash: Buffer;
  /** The collector's round at the time of the upload. */
  readonly generation: number;
}

/** The inverse of contentName for a name below `prefix`; undefined for a foreign one. */
export function parseContentName(name: string, prefix: string): ContentId | undefined {
  const [hash = '', generation = '', rest] = name.slice(prefix.length).split('.');
  if (!name.startsWith(prefix) || rest !== undefined) return undefined;
  if (hash.length !== HASH_DIGITS || generation.length !== GENERATION_DIGITS) return undefined;
  if (!/^[0-9a-f]+$/.test(hash + generation)) return undefined;
  return { hash: Buffer.from(hash, 'hex'), generation: Number.parseInt(generation, 16) };
}

export function checkId(what: string, id: string): void {
  if (!ID.test(id)) throw new Fault(repositoryFaults.invalid, { [what]: id });
}

function prefixOf(kind: string, lineage: string | undefined): string {
  return lineage === undefined ? `${kind}/` : `${kind}/${lineage}/`;
}

const generationText = (generation: number): string => generation.toString(16).padStart(GENERATION_DIGITS, '0');
