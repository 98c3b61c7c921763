/**
 * Object lock: Get- and PutObjectLockConfiguration, retention and legal hold of a version, and the headers of both. What a
 * lock forbids is decided in proxy/object/object-lock.ts.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html
 */
import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { type ObjectInfo, type ObjectLock, type Retention, storeFaults } from '../object/contract.ts';
import {
  type LockConfiguration,
  lockOf,
  missingLock,
  RETENTION_DAYS_MAX,
  RETENTION_YEARS_MAX,
} from '../object/object-lock.ts';
import { checkVersionId, emptyAnswer, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const DOCUMENT = { bytesMax: 16 * 1024, elementsMax: 20 } as const;
const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';
const HOLD = 'x-amz-object-lock-legal-hold';
const BYPASS = 'x-amz-bypass-governance-retention';
const ENABLED = 'x-amz-bucket-object-lock-enabled';
/** What an upload that asks for a lock obeys, as rows of AMZ_HEADERS are called. */
export const LOCK_HEADERS = [MODE, UNTIL, HOLD] as const;
export const BYPASS_HEADERS = [BYPASS] as const;
export const NEW_BUCKET_HEADERS = [ENABLED] as const;

const CONFIGURATION_NAMES: ReadonlySet<string> = new Set(['ObjectLockEnabled', 'Rule']);
const DEFAULT_NAMES: ReadonlySet<string> = new Set(['Mode', 'Days', 'Years']);
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?$/;

/** Of CreateBucket: what a bucket with object lock has from the start. */
export function readNewLock(call: S3Call): Record<string, unknown> {
  const text = call.request.headers.get(ENABLED)?.toLowerCase();
  if (text === undefined || text === 'false') return {};
  if (text !== 'true') throw s3Fault('InvalidArgument', '', { ArgumentName: ENABLED, ArgumentValue: text });
  return { versioning: 'Enabled', objectLock: {} };
}

/** Of an upload; undefined where it asks for none. */
export function readLockHeaders(call: S3Call): ObjectLock | undefined {
  const { headers } = call.request;
  const [mode, until, hold] = [headers.get(MODE), headers.get(UNTIL), headers.get(HOLD)];
  if (mode === undefined && until === undefined && hold === undefined) return undefined;
  if ((mode === undefined) !== (until === undefined)) {
    throw s3Fault('InvalidArgument', `${UNTIL} and ${MODE} must both be supplied`, {
      ArgumentName: mode === undefined ? MODE : UNTIL,
    });
  }
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw s3Fault('InvalidArgument', 'Unknown wormMode directive.', { ArgumentName: MODE, ArgumentValue: mode });
  }
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    const fields = { ArgumentName: HOLD, ArgumentValue: hold };
    throw s3Fault('InvalidArgument', 'Legal Hold must be either of "ON" or "OFF"', fields);
  }
  const retention: Retention | undefined =
    mode && until !== undefined ? { mode, untilMs: readTime(call, until, UNTIL) } : undefined;
  return { retention, hold: hold === undefined ? undefined : hold === 'ON' };
}

function readTime(call: S3Call, text: string, name: string): number {
  const ms = ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
  const fields = { ArgumentName: name, ArgumentValue: text };
  if (Number.isNaN(ms)) {
    throw s3Fault('InvalidArgument', 'The retain until date must be provided in ISO 8601 format', fields);
  }
  if (ms <= call.world.clock.nowMs()) {
    throw s3Fault('InvalidArgument', 'The retain until date must be in the future!', fields);
  }
  return ms;
}

export function readBypass(call: S3Call): boolean {
  return call.request.headers.get(BYPASS)?.toLowerCase() === 'true';
}

export function pushLock(headers: string[], { lock }: Pick<ObjectInfo, 'lock'>): void {
  if (lock === undefined) return;
  const { retention, hold } = lock;
  if (retention) headers.push(MODE, retention.mode, UNTIL, new Date(retention.untilMs).toISOString());
  if (hold !== undefined) headers.push(HOLD, hold ? 'ON' : 'OFF');
}

export async function getLockConfiguration(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  const info = await call.world.store.headContainer(call.context, ref);
  const lock = lockOf(info);
  if (lock === undefined) throw s3Fault('ObjectLockConfigurationNotFoundError', '', { BucketName: call.bucket });
  const { mode, days, years } = lock;
  const period = days === undefined ? xmlElement('Years', years ?? 0) : xmlElement('Days', days);
  const rule = `<Rule><DefaultRetention>${xmlElement('Mode', mode ?? '')}${period}</DefaultRetention></Rule>`;
  const enabled = xmlElement('ObjectLockEnabled', 'Enabled');
  return xmlAnswer(call, 'ObjectLockConfiguration', enabled + (mode === undefined ? '' : rule));
}

export async function putLockConfiguration(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, DOCUMENT);
  if (root.name !== 'ObjectLockConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, CONFIGURATION_NAMES);
  if (childText(root, 'ObjectLockEnabled')?.trim() !== 'Enabled') throw s3Fault('MalformedXML');
  const objectLock = readDefault(root.children.find(({ name }) => name === 'Rule'));
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, { s3: { objectLock } });
  return emptyAnswer(call, 200);
}

function readDefault(rule: XmlElement | undefined): LockConfiguration {
  if (rule === undefined) return {};
  checkChildren(rule, new Set(['DefaultRetention']));
  const [retention] = rule.children;
  if (retention === undefined) throw s3Fault('MalformedXML');
  checkChildren(retention, DEFAULT_NAMES);
  const mode = readMode(retention);
  const [days, years] = [childText(retention, 'Days'), childText(retention, 'Years')];
  if ((days === undefined) === (years === undefined)) throw s3Fault('MalformedXML');
  if (days !== undefined) return { mode, days: readPeriod(days, RETENTION_DAYS_MAX) };
  return { mode, years: readPeriod(years ?? '', RETENTION_YEARS_MAX) };
}

function readPeriod(text: string, max: number): number {
  if (!/^[+-]?\d{1,10}$/.test(text.trim())) throw s3Fault('MalformedXML');
  const count = Number(text);
  if (count < 1) throw s3Fault('InvalidRetentionPeriod', 'Default retention period must be a positive integer value.');
  if (count > max) throw s3Fault('InvalidRetentionPeriod', 'Default retention period too long');
  return count;
}

function readMode(element: XmlElement): Retention['mode'] {
  const mode = childText(element, 'Mode')?.trim();
  if (mode === 'GOVERNANCE' || mode === 'COMPLIANCE') return mode;
  throw s3Fault('MalformedXML');
}

export async function getRetention(call: S3Call): Promise<HttpResponse> {
  const { retention } = await readLock(call);
  if (retention === undefined) throw noLock();
  const until = xmlElement('RetainUntilDate', new Date(retention.untilMs).toISOString());
  return xmlAnswer(call, 'Retention', xmlElement('Mode', retention.mode) + until);
}

/** An empty document removes the retention, which only what is governed and bypassed suffers. */
export async function putRetention(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, DOCUMENT);
  checkVersionId(call.query.get('versionId'));
  if (root.name !== 'Retention') throw s3Fault('MalformedXML');
  checkChildren(root, new Set(['Mode', 'RetainUntilDate']));
  const retention = root.children.length === 0 ? null : readRetention(call, root);
  call.scope.lock = { retention: retention ?? undefined };
  const ref = await resolveObject(call);
  await call.world.store.setObjectLock(call.context, ref, { retention, bypassGovernance: readBypass(call) });
  return emptyAnswer(call, 200);
}

function readRetention(call: S3Call, root: XmlElement): Retention {
  const mode = readMode(root);
  const until = childText(root, 'RetainUntilDate')?.trim();
  if (until === undefined || !ISO_TIME.test(until)) throw s3Fault('MalformedXML');
  return { mode, untilMs: readTime(call, until, 'RetainUntilDate') };
}

export async function getLegalHold(call: S3Call): Promise<HttpResponse> {
  const { hold } = await readLock(call);
  if (hold === undefined) throw noLock();
  return xmlAnswer(call, 'LegalHold', xmlElement('Status', hold ? 'ON' : 'OFF'));
}

export async function putLegalHold(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, DOCUMENT);
  checkVersionId(call.query.get('versionId'));
  if (root.name !== 'LegalHold') throw s3Fault('MalformedXML');
  checkChildren(root, new Set(['Status']));
  const status = childText(root, 'Status')?.trim();
  if (status !== 'ON' && status !== 'OFF') throw s3Fault('MalformedXML');
  const hold = status === 'ON';
  call.scope.lock = { hold };
  await call.world.store.setObjectLock(call.context, await resolveObject(call), { hold });
  return emptyAnswer(call, 200);
}

/** The version's, as far as the caller may know. Where there is none the bucket is asked, which the owner alone may see. */
async function readLock(call: S3Call): Promise<ObjectLock> {
  checkVersionId(call.query.get('versionId'));
  const ref = await resolveObject(call);
  const { lock } = await call.world.store.headObject(call.context, ref);
  if (lock !== undefined) return lock;
  try {
    const info = await call.world.store.headContainer(call.context, ref);
    if (lockOf(info) === undefined) throw missingLock();
  } catch (error) {
    if (!isFault(error, storeFaults.accessDenied)) throw error;
  }
  return {};
}

const noLock = (): Error => s3Fault('NoSuchObjectLockConfiguration');
