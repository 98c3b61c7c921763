/**
 * Get-, Put- and DeleteBucketLifecycle(Configuration): the document to the rules that proxy/object/lifecycle-worker.ts
 * carries out, checked as S3 checks them, and back. Transitions to other storage classes are refused: there are none.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { formatHttpDate } from '../http-date.ts';
import type { ObjectInfo, Tag, UploadInfo } from '../object/contract.ts';
import { type LifecycleFilter, type LifecycleRule, REAL_DAY_MS, rulesOf } from '../object/lifecycle-rules.ts';
import { checkTags } from '../object/tags.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const RULES_MAX = 1000;
const DOCUMENT = { bytesMax: 2 * 1024 * 1024, elementsMax: RULES_MAX * 60 } as const;
const ID_LENGTH_MAX = 255;
const ID_BYTES = 24;
const DAYS_MAX = 2 ** 31 - 1;
const KEEP_MAX = 100;
const PREFIX_LENGTH_MAX = 1024;
const MINIMUM = 'x-amz-transition-default-minimum-object-size';
/** The first is meant by who says nothing. */
const MINIMUM_SIZES = ['all_storage_classes_128K', 'varies_by_storage_class'] as const;

const RULE_NAMES: ReadonlySet<string> = new Set([
  'ID',
  'Prefix',
  'Filter',
  'Status',
  'Expiration',
  'Transition',
  'NoncurrentVersionExpiration',
  'NoncurrentVersionTransition',
  'AbortIncompleteMultipartUpload',
]);
const FILTER_NAMES: ReadonlySet<string> = new Set([
  'Prefix',
  'Tag',
  'ObjectSizeGreaterThan',
  'ObjectSizeLessThan',
  'And',
]);
const AND_NAMES: ReadonlySet<string> = new Set(['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan']);
const ISO_DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

export async function getLifecycle(call: S3Call): Promise<HttpResponse> {
  const info = await call.world.store.headContainer(call.context, await resolve(call));
  const rules = rulesOf(info);
  if (!rules) throw s3Fault('NoSuchLifecycleConfiguration', '', { BucketName: call.bucket });
  call.headers.push(MINIMUM, String(info.s3['lifecycleMinimum'] ?? MINIMUM_SIZES[0]));
  return xmlAnswer(call, 'LifecycleConfiguration', rules.map(ruleXml).join(''));
}

export async function putLifecycle(call: S3Call): Promise<HttpResponse> {
  const lifecycleMinimum = readMinimum(call);
  const root = await readXml(call, DOCUMENT);
  if (root.name !== 'LifecycleConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, new Set(['Rule']), 'Rule');
  if (root.children.length === 0 || root.children.length > RULES_MAX) throw s3Fault('MalformedXML');
  const lifecycle = root.children.map((rule) => readRule(call, rule));
  const ids = new Set(lifecycle.map(({ id }) => id));
  if (ids.size < lifecycle.length) throw invalid('Rule ID must be unique. Found same ID for more than one rule');
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, {
    s3: { lifecycle, lifecycleMinimum: lifecycleMinimum === MINIMUM_SIZES[0] ? null : lifecycleMinimum },
  });
  call.headers.push(MINIMUM, lifecycleMinimum);
  return emptyAnswer(call, 200);
}

export async function deleteLifecycle(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, { s3: { lifecycle: null, lifecycleMinimum: null } });
  return emptyAnswer(call, 204);
}

export function pushExpiration(headers: string[], { expiration }: Pick<ObjectInfo, 'expiration'>): void {
  if (expiration === undefined) return;
  const id = encodeURIComponent(expiration.ruleId);
  headers.push('x-amz-expiration', `expiry-date="${formatHttpDate(expiration.atMs)}", rule-id="${id}"`);
}

/** Of an upload that a rule will abort. */
export function pushAbort(headers: string[], { abort }: Pick<UploadInfo, 'abort'>): void {
  if (abort === undefined) return;
  headers.push('x-amz-abort-date', formatHttpDate(abort.atMs), 'x-amz-abort-rule-id', encodeURIComponent(abort.ruleId));
}

/** Of objects that would move to another class, which none does: only remembered. */
function readMinimum({ request }: S3Call): string {
  const text = request.headers.get(MINIMUM) ?? MINIMUM_SIZES[0];
  if (MINIMUM_SIZES.some((each) => each === text)) return text;
  const fields = { ArgumentName: MINIMUM, ArgumentValue: text };
  throw s3Fault('InvalidArgument', `Invalid value for ${MINIMUM}`, fields);
}

const invalid = (message: string): Error => s3Fault('InvalidArgument', message);

function readRule(call: S3Call, element: XmlElement): LifecycleRule {
  for (const { name } of element.children) {
    if (name === 'Transition' || name === 'NoncurrentVersionTransition') {
      throw s3Fault('NotImplemented', `${name} is not implemented: there is one storage class.`);
    }
  }
  checkChildren(element, RULE_NAMES);
  const status = childText(element, 'Status')?.trim();
  if (status !== 'Enabled' && status !== 'Disabled') throw s3Fault('MalformedXML');
  const given = childText(element, 'ID');
  if (given !== undefined && [...given].length > ID_LENGTH_MAX) {
    throw invalid(`ID length should not exceed allowed limit of ${ID_LENGTH_MAX}`);
  }
  const id = given || call.world.random.bytes(ID_BYTES).toString('base64url');
  const rule: LifecycleRule = { id, enabled: status === 'Enabled', ...readScope(element), ...readActions(element) };
  checkTogether(rule);
  return rule;
}

const child = (element: XmlElement, name: string): XmlElement | undefined =>
  element.children.find((each) => each.name === name);

function readScope(element: XmlElement): Pick<LifecycleRule, 'filter' | 'form'> {
  const prefix = readPrefix(element);
  const filter = child(element, 'Filter');
  // One of both, and not both.
  if ((prefix === undefined) === (filter === undefined)) throw s3Fault('MalformedXML');
  if (filter === undefined) return { filter: { prefix: prefix ?? '' }, form: 'prefix' };
  checkChildren(filter, FILTER_NAMES);
  if (filter.children.length > 1) throw s3Fault('MalformedXML');
  const and = child(filter, 'And');
  if (and === undefined) return { filter: readFilter(filter), form: 'filter' };
  checkChildren(and, AND_NAMES, 'Tag');
  if (and.children.length < 2) throw s3Fault('MalformedXML');
  return { filter: readFilter(and), form: 'and' };
}

function readPrefix(element: XmlElement): string | undefined {
  const prefix = childText(element, 'Prefix');
  if (prefix === undefined || Buffer.byteLength(prefix) <= PREFIX_LENGTH_MAX) return prefix;
  throw s3Fault('InvalidRequest', `The maximum size of a prefix is ${PREFIX_LENGTH_MAX}.`);
}

function readFilter(element: XmlElement): LifecycleFilter {
  const tags = element.children.filter(({ name }) => name === 'Tag').map(readTag);
  const sizeAbove = readNumber(element, 'ObjectSizeGreaterThan', 0);
  const sizeBelow = readNumber(element, 'ObjectSizeLessThan', 1);
  if (sizeAbove !== undefined && sizeBelow !== undefined && sizeAbove >= sizeBelow) {
    throw s3Fault('InvalidRequest', "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  }
  const prefix = readPrefix(element);
  return { prefix, tags: tags.length === 0 ? undefined : checkTags(tags, 'object'), sizeAbove, sizeBelow };
}

function readTag(element: XmlElement): Tag {
  checkChildren(element, new Set(['Key', 'Value']));
  const [key, value] = [childText(element, 'Key'), childText(element, 'Value')];
  if (key === undefined || value === undefined) throw s3Fault('MalformedXML');
  return [key, value];
}

function readNumber(element: XmlElement, name: string, min: number): number | undefined {
  const text = childText(element, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw s3Fault('MalformedXML');
  const value = Number(text);
  if (value < min) throw invalid(`'${name}' should be at least ${min}`);
  return value;
}

function readDays(element: XmlElement, name: string, action: string): number | undefined {
  const text = childText(element, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw s3Fault('MalformedXML');
  const days = Number(text);
  if (days < 1 || days > DAYS_MAX) throw invalid(`'${name}' for ${action} action must be a positive integer`);
  return days;
}

function readActions(element: XmlElement): Pick<LifecycleRule, 'expiration' | 'noncurrent' | 'abortDays'> {
  const expiration = child(element, 'Expiration');
  const noncurrent = child(element, 'NoncurrentVersionExpiration');
  const abort = child(element, 'AbortIncompleteMultipartUpload');
  if (!expiration && !noncurrent && !abort) {
    throw s3Fault('InvalidRequest', 'At least one action needs to be specified in a rule.');
  }
  return {
    expiration: expiration && readExpiration(expiration),
    noncurrent: noncurrent && readNoncurrent(noncurrent),
    abortDays: abort && readAbort(abort),
  };
}

function readExpiration(element: XmlElement): LifecycleRule['expiration'] {
  checkChildren(element, new Set(['Days', 'Date', 'ExpiredObjectDeleteMarker']));
  if (element.children.length !== 1) throw s3Fault('MalformedXML');
  const days = readDays(element, 'Days', 'Expiration');
  if (days !== undefined) return { days };
  const date = childText(element, 'Date')?.trim();
  if (date !== undefined) return { dateMs: readDate(date) };
  const marker = childText(element, 'ExpiredObjectDeleteMarker')?.trim().toLowerCase();
  if (marker !== 'true' && marker !== 'false') throw s3Fault('MalformedXML');
  return { marker: marker === 'true' };
}

function readDate(text: string): number {
  const ms = ISO_DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw s3Fault('MalformedXML');
  if (ms % REAL_DAY_MS !== 0) throw invalid("'Date' must be at midnight GMT");
  return ms;
}

function readNoncurrent(element: XmlElement): NonNullable<LifecycleRule['noncurrent']> {
  checkChildren(element, new Set(['NoncurrentDays', 'NewerNoncurrentVersions']));
  const days = readDays(element, 'NoncurrentDays', 'NoncurrentVersionExpiration');
  if (days === undefined) throw s3Fault('MalformedXML');
  const keep = readDays(element, 'NewerNoncurrentVersions', 'NoncurrentVersionExpiration');
  if (keep !== undefined && keep > KEEP_MAX) throw invalid(`'NewerNoncurrentVersions' must be ${KEEP_MAX} at most`);
  return { days, keep };
}

function readAbort(element: XmlElement): number {
  checkChildren(element, new Set(['DaysAfterInitiation']));
  const days = readDays(element, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload');
  if (days === undefined) throw s3Fault('MalformedXML');
  return days;
}

/** What S3 does not let one rule say. */
function checkTogether({ filter, expiration, abortDays }: LifecycleRule): void {
  const { tags, sizeAbove, sizeBelow } = filter;
  const hasSize = sizeAbove !== undefined || sizeBelow !== undefined;
  if (abortDays !== undefined && (tags || hasSize)) {
    const what = tags ? 'Tags' : 'Object Size';
    throw s3Fault('InvalidRequest', `AbortIncompleteMultipartUpload cannot be specified with ${what}.`);
  }
  if (expiration?.marker !== undefined && (tags || hasSize)) {
    const what = tags ? 'Tags' : 'Object Size';
    throw s3Fault('InvalidRequest', `ExpiredObjectDeleteMarker cannot be specified with ${what}.`);
  }
}

function ruleXml(rule: LifecycleRule): string {
  const { id, enabled, expiration, noncurrent, abortDays } = rule;
  let actions = '';
  if (expiration) {
    const { days, dateMs, marker } = expiration;
    const inner =
      optional('Days', days) +
      optional('Date', dateMs === undefined ? undefined : new Date(dateMs).toISOString()) +
      optional('ExpiredObjectDeleteMarker', marker);
    actions += `<Expiration>${inner}</Expiration>`;
  }
  if (noncurrent) {
    const inner = xmlElement('NoncurrentDays', noncurrent.days) + optional('NewerNoncurrentVersions', noncurrent.keep);
    actions += `<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`;
  }
  if (abortDays !== undefined) {
    const inner = xmlElement('DaysAfterInitiation', abortDays);
    actions += `<AbortIncompleteMultipartUpload>${inner}</AbortIncompleteMultipartUpload>`;
  }
  const status = xmlElement('Status', enabled ? 'Enabled' : 'Disabled');
  return `<Rule>${xmlElement('ID', id)}${scopeXml(rule)}${status}${actions}</Rule>`;
}

function scopeXml({ filter, form }: LifecycleRule): string {
  const { prefix, tags = [], sizeAbove, sizeBelow } = filter;
  if (form === 'prefix') return xmlElement('Prefix', prefix ?? '');
  const tagXml = tags.map(([key, value]) => `<Tag>${xmlElement('Key', key)}${xmlElement('Value', value)}</Tag>`);
  const inner =
    optional('Prefix', prefix) +
    tagXml.join('') +
    optional('ObjectSizeGreaterThan', sizeAbove) +
    optional('ObjectSizeLessThan', sizeBelow);
  return `<Filter>${form === 'and' ? `<And>${inner}</And>` : inner}</Filter>`;
}

const optional = (name: string, value: string | number | boolean | undefined): string =>
  value === undefined ? '' : xmlElement(name, value);
