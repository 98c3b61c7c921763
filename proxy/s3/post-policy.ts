/**
 * Policies of forms that browsers post: what the one who signed allows, and whether a form keeps to it. Pure.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
import type { FormFields } from '../auth/form-signature.ts';
import { s3Fault } from './errors.ts';

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string; readonly shown: string }
  | { readonly kind: 'range'; readonly min: number; readonly max: number };

export interface PostPolicy {
  readonly expiresMs: number;
  readonly conditions: readonly Condition[];
}

export interface SizeRange {
  readonly min: number;
  readonly max: number;
}

const CONDITIONS_MAX = 500;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
/** Need no condition. */
const FREE: ReadonlySet<string> = new Set(['awsaccesskeyid', 'signature', 'x-amz-signature', 'policy', 'file']);

/** Of the field as it came. Fault InvalidPolicyDocument. */
export function readPostPolicy(base64: string): PostPolicy {
  const root = readJson(base64);
  if (!isObject(root)) throw invalid('Invalid JSON.');
  const unknown = Object.keys(root).find((name) => name !== 'expiration' && name !== 'conditions');
  if (unknown !== undefined) throw invalid(`Unexpected: '${unknown.slice(0, 100)}'.`);
  const { expiration, conditions } = root;
  if (expiration === undefined) throw invalid('Policy missing expiration.');
  if (conditions === undefined) throw invalid('Policy missing conditions.');
  const expiresMs = typeof expiration === 'string' && DATE.test(expiration) ? Date.parse(expiration) : Number.NaN;
  if (Number.isNaN(expiresMs)) throw invalid(`Invalid 'expiration' value: '${String(expiration).slice(0, 100)}'`);
  if (!Array.isArray(conditions) || conditions.length > CONDITIONS_MAX) throw invalid("Invalid 'conditions' value.");
  return { expiresMs, conditions: (conditions as unknown[]).map(readCondition) };
}

function readJson(base64: string): unknown {
  const plain = base64.replace(/\s+/g, '');
  if (plain === '' || plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain)) throw invalid('Invalid Base64.');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(plain, 'base64'));
    // Beside JSON's own escapes a policy may have `\$` and `\v`.
    return JSON.parse(
      text.replace(/\\(.)/gs, (whole, char: string) => (char === '$' ? '$' : char === 'v' ? '\\u000b' : whole)),
    );
  } catch {
    throw invalid('Invalid JSON.');
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readCondition(json: unknown): Condition {
  if (isObject(json)) {
    const [entry, ...others] = Object.entries(json);
    if (entry === undefined || others.length > 0) {
      throw invalid('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.');
    }
    const [name, value] = entry;
    if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.');
    return { kind: 'eq', field: name.toLowerCase(), value, shown: JSON.stringify(['eq', `$${name}`, value]) };
  }
  if (!Array.isArray(json)) throw invalid('Invalid condition.');
  const [operator, first, second] = json as unknown[];
  const kind = typeof operator === 'string' ? operator.toLowerCase() : '';
  if (kind !== 'eq' && kind !== 'starts-with' && kind !== 'content-length-range')
    throw invalid('Invalid Condition: unknown operation.');
  if (json.length !== 3) throw invalid(`Invalid Condition: wrong number of arguments to ${kind}.`);
  if (kind === 'content-length-range') return readRange(first, second);
  if (typeof first !== 'string' || typeof second !== 'string' || !first.startsWith('$') || first.length < 2) {
    throw invalid(`Invalid Condition: ${kind} takes a field and a string.`);
  }
  return { kind, field: first.slice(1).toLowerCase(), value: second, shown: JSON.stringify(json) };
}

function readRange(first: unknown, second: unknown): Condition {
  const [min, max] = [first, second].map((each) => (/^\d{1,15}$/.test(String(each)) ? Number(each) : Number.NaN)) as [
    number,
    number,
  ];
  if (min <= max) return { kind: 'range', min, max };
  throw invalid('Invalid Condition: content-length-range takes two whole numbers, the smaller one first.');
}

function invalid(what: string): Error {
  return s3Fault('InvalidPolicyDocument', `Invalid Policy: ${what}`);
}

export interface PostedForm {
  /** By lower-case name, `bucket` among them; `key` as it will be. */
  readonly fields: FormFields;
  readonly nowMs: number;
  /** Of the file, for conditions that name `${filename}`. */
  readonly filename: string;
}

/** How large the file may be. Fault AccessDenied for a form that does not keep to the policy. */
export function checkPolicy({ expiresMs, conditions }: PostPolicy, { fields, nowMs, filename }: PostedForm): SizeRange {
  if (expiresMs <= nowMs) throw denied('Policy expired.');
  const covered = new Set<string>();
  let [min, max] = [0, Number.POSITIVE_INFINITY];
  for (const condition of conditions) {
    if (condition.kind === 'range') {
      min = Math.max(min, condition.min);
      max = Math.min(max, condition.max);
      continue;
    }
    const value = fields.get(condition.field) ?? '';
    const wanted = condition.field === 'key' ? withFilename(condition.value, filename) : condition.value;
    const isMet = condition.kind === 'eq' ? value === wanted : value.startsWith(wanted);
    if (!isMet || (condition.kind === 'eq' && !fields.has(condition.field))) {
      throw denied(`Policy Condition failed: ${condition.shown}`);
    }
    covered.add(condition.field);
  }
  const extra = [...fields.keys()].find(
    (name) => !covered.has(name) && !FREE.has(name) && !name.startsWith('x-ignore-'),
  );
  if (extra !== undefined) throw denied(`Extra input fields: ${extra}`);
  return { min, max };
}

export function withFilename(text: string, filename: string): string {
  return text.replaceAll('${filename}', () => filename);
}

function denied(what: string): Error {
  return s3Fault('AccessDenied', `Invalid according to Policy: ${what}`);
}
