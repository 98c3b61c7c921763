/**
 * Object lock: what a version's retention and legal hold forbid, who may set them, and what a bucket gives its new objects.
 * Pure rules; judged where a version would go or change, inside the round that decides it (delete-version.ts,
 * commit-version.ts, update.ts, set-lock.ts), so that no race lets a locked version go.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { authorise } from './authorise.ts';
import {
  type Context,
  type LockChange,
  type ObjectLock,
  type ObjectRef,
  type Retention,
  storeFaults,
} from './contract.ts';
import type { ObjectRecord } from './object-format.ts';

/** In the container's record under `s3.objectLock`; there is none where lock was never turned on. */
export interface LockConfiguration {
  readonly mode?: Retention['mode'] | undefined;
  readonly days?: number | undefined;
  readonly years?: number | undefined;
}

export const RETENTION_DAYS_MAX = 36_500;
export const RETENTION_YEARS_MAX = 100;
const DAY_MS = 24 * 3600 * 1000;

/** Undefined where object lock was never turned on; it is never turned off again. */
export function lockOf(container: Pick<ContainerRecord, 's3'>): LockConfiguration | undefined {
  return (container.s3?.['objectLock'] as LockConfiguration | undefined) ?? undefined;
}

export function missingLock(): Fault {
  return new Fault(storeFaults.noObjectLock, {}, 'Bucket is missing Object Lock Configuration');
}

function locked(): Fault {
  return new Fault(storeFaults.accessDenied, {}, 'Access Denied because object protected by object lock.');
}

type Locks = Pick<ObjectRecord, 'retention' | 'hold'>;

const isRetained = ({ retention }: Locks, nowMs: number): boolean =>
  retention !== undefined && retention.untilMs > nowMs;

/** AccessDenied when the version may not go: not now, or not without `bypass`, which overrules governance alone. */
export function lockFault(record: Locks, nowMs: number, bypass = false): Fault | undefined {
  if (record.hold === true) return locked();
  if (!isRetained(record, nowMs)) return undefined;
  return bypass && record.retention?.mode === 'GOVERNANCE' ? undefined : locked();
}

/** A policy speaks of these by their own names, whatever the request is called. */
function asNamed(context: Context): Context {
  const { scope } = context;
  if (scope === undefined) return context;
  return { ...context, scope: { action: (usual) => usual, fact: (key) => scope.fact(key) } };
}

/** Whether the caller may overrule governance, where the request asks for it. */
export function mayBypass(
  context: Context,
  ref: ObjectRef,
  record: ContainerRecord,
  asked: boolean | undefined,
): boolean {
  return asked === true && isAllowed(context, 's3:BypassGovernanceRetention', ref, record);
}

function isAllowed(context: Context, action: `s3:${string}`, ref: ObjectRef, record: ContainerRecord): boolean {
  try {
    return authorise(asNamed(context), action, ref, record);
  } catch {
    return false;
  }
}

/** What a new object asks for. Faults InvalidRequest in a bucket without object lock, AccessDenied. */
export function checkNewLock(
  context: Context,
  ref: ObjectRef,
  record: ContainerRecord,
  lock: ObjectLock | undefined,
): void {
  if (lock === undefined) return;
  if (lockOf(record) === undefined) throw missingLock();
  const named = asNamed(context);
  if (lock.retention) authorise(named, 's3:PutObjectRetention', ref, record);
  if (lock.hold !== undefined) authorise(named, 's3:PutObjectLegalHold', ref, record);
}

/** The record of a new object with the bucket's default retention, where it brings none of its own. */
export function withDefaultLock(container: ContainerRecord, record: ObjectRecord, nowMs: number): ObjectRecord {
  const { mode, days, years = 0 } = lockOf(container) ?? NOTHING;
  if (mode === undefined || record.retention) return record;
  return {
    ...record,
    retention: { mode, untilMs: days === undefined ? yearsLater(nowMs, years) : nowMs + days * DAY_MS },
  };
}

const NOTHING: LockConfiguration = Object.freeze({});

function yearsLater(nowMs: number, years: number): number {
  const date = new Date(nowMs);
  return date.setUTCFullYear(date.getUTCFullYear() + years);
}

/** The locks of a version after `change`. Fault AccessDenied for what its retention forbids. */
export function changedLock(record: Locks, change: LockChange, when: { nowMs: number; bypass: boolean }): Locks {
  const hold = change.hold ?? record.hold;
  if (change.retention === undefined) return { retention: record.retention, hold };
  const next = change.retention ?? undefined;
  const { retention: held } = record;
  if (held && isRetained(record, when.nowMs)) {
    const isWeaker = next?.mode !== held.mode || next.untilMs < held.untilMs;
    const mayWeaken = held.mode === 'GOVERNANCE' && when.bypass;
    if (isWeaker && !mayWeaken) throw locked();
  }
  return { retention: next, hold };
}

/** What the caller may know of a version's lock. */
export function shownLock(
  context: Context,
  ref: ObjectRef,
  container: ContainerRecord,
  { retention, hold }: Locks,
): ObjectLock | undefined {
  const mayKnow = (action: `s3:${string}`): boolean => isAllowed(context, action, ref, container);
  const shown: ObjectLock = {
    retention: retention && mayKnow('s3:GetObjectRetention') ? retention : undefined,
    hold: hold !== undefined && mayKnow('s3:GetObjectLegalHold') ? hold : undefined,
  };
  return shown.retention === undefined && shown.hold === undefined ? undefined : shown;
}

/** InvalidBucketState for a change of the container's S3 documents that object lock rules out. */
export function stateFault(
  record: ContainerRecord,
  change: Readonly<Record<string, unknown>> | undefined,
): Fault | undefined {
  if (change === undefined) return undefined;
  const versioning = 'versioning' in change ? change['versioning'] : record.s3?.['versioning'];
  const isLocked = lockOf(record) !== undefined;
  if (isLocked && versioning !== 'Enabled') {
    const message =
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.';
    return new Fault(storeFaults.invalidBucketState, {}, message);
  }
  if (!('objectLock' in change) || (versioning === 'Enabled' && change['objectLock'])) return undefined;
  const message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
  return new Fault(storeFaults.invalidBucketState, {}, message);
}
