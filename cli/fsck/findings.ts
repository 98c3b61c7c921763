/** What can be found, how bad it is, and what the judges are given. */
import type { Stamp } from '../../fabric/stamp.ts';
import type { Ring } from '../../ring/contract.ts';
import type { Inventory } from './inventory.ts';
import type { Namer } from './names.ts';

/** `bad` findings make the exit code 2, the others 1; `note` says nothing about health. */
export const CATEGORIES = {
  lost: { severity: 'bad', text: 'live objects that no replica can give back' },
  'unlisted object': { severity: 'bad', text: 'live objects without a row in their listing' },
  'unfinished listing': { severity: 'degraded', text: 'young objects without a row, or rows without an object' },
  'row without object': { severity: 'degraded', text: 'rows whose object is gone' },
  'row differs': { severity: 'degraded', text: 'rows that say another size or etag than their object' },
  'not scheduled': {
    severity: 'degraded',
    text: 'objects with a delete-at, or containers with lifecycle rules, that no index tells of',
  },
  'below target': { severity: 'degraded', text: 'live registers on fewer primaries than the ring says' },
  'stale tombstone': { severity: 'degraded', text: 'deletions that some primary has not heard of' },
  'blob below target': { severity: 'degraded', text: 'blobs missing or damaged beside a register that refers to them' },
  'above target': { severity: 'note', text: 'registers also held by devices that are no primaries' },
  'handoff waiting': { severity: 'degraded', text: 'handoff copies whose primary does not hold them yet' },
  'handoff delivered': { severity: 'note', text: 'handoff copies that can go: the primary holds them' },
  'wrong totals': { severity: 'degraded', text: 'stored totals that are not the sum of the rows beside them' },
  'account totals': { severity: 'degraded', text: 'containers whose account shows other totals than their rows' },
  orphan: { severity: 'note', text: 'registers of containers that were deleted' },
  damaged: { severity: 'degraded', text: 'records, chunks or index entries that do not check' },
  'torn tail': { severity: 'note', text: 'logs that a crash cut behind the last acknowledged write' },
  'unreadable disk': { severity: 'bad', text: 'devices that cannot be read' },
} as const satisfies Record<string, { severity: 'bad' | 'degraded' | 'note'; text: string }>;
export type Category = keyof typeof CATEGORIES;

/** Finding by category, each in words. */
export type Findings = Map<Category, string[]>;

export interface JudgeWorld {
  readonly inventory: Inventory;
  readonly ring: Ring;
  readonly namer: Namer;
  /** Stamps from here on belong to writes that may not have been finished. */
  readonly unfinishedFrom: (stamp: Stamp) => boolean;
  /** MD5 of the path, as keys begin. */
  readonly hash: (account: string, container?: string, object?: string) => string;
  readonly find: (category: Category, finding: string) => void;
}
