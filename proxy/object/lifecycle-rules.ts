/**
 * What a bucket's lifecycle rules say about one row of its listings: whether it is due, and when it will be. Pure. Rules
 * lie in the container's record under `s3.lifecycle`; proxy/s3/lifecycle.ts has checked them.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import type { Tags } from './contract.ts';
import { tagValue } from './tags.ts';

export const REAL_DAY_MS = 24 * 3600 * 1000;

export interface LifecycleFilter {
  readonly prefix?: string | undefined;
  readonly tags?: Tags | undefined;
  /** Bytes, both exclusive. */
  readonly sizeAbove?: number | undefined;
  readonly sizeBelow?: number | undefined;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly filter: LifecycleFilter;
  /** How it was written: as a bare prefix, or as a filter with or without And. */
  readonly form: 'prefix' | 'filter' | 'and';
  readonly expiration?:
    | {
        readonly days?: number | undefined;
        readonly dateMs?: number | undefined;
        readonly marker?: boolean | undefined;
      }
    | undefined;
  /** Days since a version is noncurrent; the newest `keep` of those stay. */
  readonly noncurrent?: { readonly days: number; readonly keep?: number | undefined } | undefined;
  readonly abortDays?: number | undefined;
}

/** Undefined where there are none. */
export function rulesOf({ s3 }: Pick<ContainerRecord, 's3'>): readonly LifecycleRule[] | undefined {
  return (s3?.['lifecycle'] as readonly LifecycleRule[] | null | undefined) ?? undefined;
}

/** What a row says; tags are in none. */
export interface Seen {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Tags are another question: they lie with the object. */
export function matchesRow({ filter }: LifecycleRule, { name, sizeBytes }: Seen): boolean {
  const { prefix = '', sizeAbove, sizeBelow } = filter;
  if (!name.startsWith(prefix)) return false;
  if (sizeAbove !== undefined && sizeBytes <= sizeAbove) return false;
  return sizeBelow === undefined || sizeBytes < sizeBelow;
}

export function matchesTags({ filter }: LifecycleRule, tags: Tags | undefined): boolean {
  return (filter.tags ?? []).every(([key, value]) => tagValue(tags, key) === value);
}

export const asksForTags = ({ filter }: LifecycleRule): boolean => (filter.tags?.length ?? 0) > 0;

/** So many days after `fromMs`, at the midnight (UTC) that follows; days of another length, for tests, end at any time. */
export function dueMs(fromMs: number, days: number, dayMs: number): number {
  const ms = fromMs + days * dayMs;
  return dayMs === REAL_DAY_MS ? Math.ceil(ms / dayMs) * dayMs : ms;
}

/** When a current version goes by this rule; undefined: never. */
export function expiresMs({ expiration }: LifecycleRule, createdMs: number, dayMs: number): number | undefined {
  if (expiration?.dateMs !== undefined) return expiration.dateMs;
  return expiration?.days === undefined ? undefined : dueMs(createdMs, expiration.days, dayMs);
}

/** What x-amz-expiration tells: the first rule to take the object. */
export function expirationOf(
  rules: readonly LifecycleRule[],
  object: Seen & { readonly createdMs: number; readonly tags: Tags | undefined },
  dayMs: number,
): { readonly atMs: number; readonly ruleId: string } | undefined {
  let first: { atMs: number; ruleId: string } | undefined;
  for (const rule of rules) {
    if (!rule.enabled || !matchesRow(rule, object) || !matchesTags(rule, object.tags)) continue;
    const atMs = expiresMs(rule, object.createdMs, dayMs);
    if (atMs !== undefined && (first === undefined || atMs < first.atMs)) first = { atMs, ruleId: rule.id };
  }
  return first;
}

/** What x-amz-abort-date tells: the first rule to abort an upload that was begun at `startedMs`. */
export function abortOf(
  rules: readonly LifecycleRule[],
  { name, startedMs }: { readonly name: string; readonly startedMs: number },
  dayMs: number,
): { readonly atMs: number; readonly ruleId: string } | undefined {
  let first: { atMs: number; ruleId: string } | undefined;
  for (const { enabled, filter, abortDays, id } of rules) {
    if (!enabled || abortDays === undefined || !name.startsWith(filter.prefix ?? '')) continue;
    const atMs = dueMs(startedMs, abortDays, dayMs);
    if (first === undefined || atMs < first.atMs) first = { atMs, ruleId: id };
  }
  return first;
}

/** What all rules have in common: nothing else need be listed. */
export function commonPrefix(rules: readonly LifecycleRule[]): string {
  let common: string | undefined;
  for (const { filter } of rules) {
    const { prefix = '' } = filter;
    if (common === undefined) common = prefix;
    let length = 0;
    while (length < common.length && common[length] === prefix[length]) length++;
    common = common.slice(0, length);
  }
  // Half a surrogate pair is no name's beginning.
  return (common ?? '').replace(/[\ud800-\udbff]$/, '');
}
