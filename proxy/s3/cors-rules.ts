/**
 * Rules about cross-origin requests: the document of PutBucketCors, and which rule a request meets. Pure. They lie in the
 * container's `s3` map under `cors`, as read here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
 */
import { type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { s3Fault } from './errors.ts';

export interface CorsRule {
  readonly id?: string | undefined;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number | undefined;
}

const RULES_MAX = 100;
const ID_LENGTH_MAX = 255;
/** Of names and origins, which answers repeat. */
const VALUE = /^[\x21-\x7e]{1,2048}$/;
export const METHODS: readonly string[] = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'];
const MANY = ['AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader'] as const;
const NAMES: ReadonlySet<string> = new Set([...MANY, 'ID', 'MaxAgeSeconds']);

/** Faults MalformedXML, InvalidRequest. */
export function readCorsRules(root: XmlElement): readonly CorsRule[] {
  const rules = root.children;
  if (root.name !== 'CORSConfiguration' || rules.length === 0 || rules.length > RULES_MAX)
    throw s3Fault('MalformedXML');
  return rules.map(readRule);
}

function readRule({ name, children }: XmlElement): CorsRule {
  if (name !== 'CORSRule' || children.some((child) => !NAMES.has(child.name))) throw s3Fault('MalformedXML');
  const texts = (wanted: string): string[] =>
    children.filter((child) => child.name === wanted).map(({ text }) => text.trim());
  const [origins, methods, headers, exposed] = MANY.map(texts) as [string[], string[], string[], string[]];
  const [ids, ages] = [texts('ID'), texts('MaxAgeSeconds')];
  if (origins.length === 0 || methods.length === 0 || ids.length > 1 || ages.length > 1) throw s3Fault('MalformedXML');
  checkMethods(methods);
  for (const origin of origins) checkPattern('AllowedOrigin', origin);
  for (const header of headers) checkPattern('AllowedHeader', header);
  for (const header of exposed) checkExposed(header);
  const [id] = ids;
  const [age] = ages;
  if (id !== undefined && id.length > ID_LENGTH_MAX) {
    throw s3Fault('InvalidRequest', `The ID of a rule cannot be longer than ${ID_LENGTH_MAX} characters.`);
  }
  if (age !== undefined && !/^\d{1,9}$/.test(age)) throw s3Fault('MalformedXML');
  return { id, origins, methods, headers, exposed, maxAgeSeconds: age === undefined ? undefined : Number(age) };
}

function checkMethods(methods: readonly string[]): void {
  const unknown = methods.find((method) => !METHODS.includes(method));
  if (unknown === undefined) return;
  const message = `Found unsupported HTTP method in CORS config. Unsupported method is ${unknown}`;
  throw s3Fault('InvalidRequest', message);
}

function checkPattern(element: string, text: string): void {
  if (!VALUE.test(text)) throw s3Fault('InvalidRequest', `${element} "${text}" is not valid.`);
  if (text.indexOf('*') === text.lastIndexOf('*')) return;
  throw s3Fault('InvalidRequest', `${element} "${text}" can not have more than one wildcard.`);
}

function checkExposed(text: string): void {
  if (!VALUE.test(text)) throw s3Fault('InvalidRequest', `ExposeHeader "${text}" is not valid.`);
  if (!text.includes('*')) return;
  const message = `ExposeHeader "${text}" contains wildcard. We currently do not support wildcard for ExposeHeader.`;
  throw s3Fault('InvalidRequest', message);
}

export function corsXml(rules: readonly CorsRule[]): string {
  const all = (name: string, values: readonly string[]): string =>
    values.map((value) => xmlElement(name, value)).join('');
  const each = rules.map(({ id, origins, methods, headers, exposed, maxAgeSeconds }) => {
    const age = maxAgeSeconds === undefined ? '' : xmlElement('MaxAgeSeconds', maxAgeSeconds);
    const lists = all('AllowedMethod', methods) + all('AllowedOrigin', origins) + all('AllowedHeader', headers);
    return `<CORSRule>${id === undefined ? '' : xmlElement('ID', id)}${lists}${all('ExposeHeader', exposed)}${age}</CORSRule>`;
  });
  return each.join('');
}

export interface CrossOrigin {
  readonly origin: string;
  readonly method: string;
  /** Lower-case names of Access-Control-Request-Headers. */
  readonly headers: readonly string[];
}

/** The first rule that all of it meets. */
export function ruleFor(rules: readonly CorsRule[], asked: CrossOrigin): CorsRule | undefined {
  return rules.find(
    ({ origins, methods, headers }) =>
      methods.includes(asked.method) &&
      origins.some((pattern) => like(pattern, asked.origin)) &&
      asked.headers.every((name) => headers.some((pattern) => like(pattern.toLowerCase(), name))),
  );
}

/** At most one `*`, for any characters. */
function like(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

/** Of the answer, in turn name and value. */
export function corsHeaders(rule: CorsRule, asked: CrossOrigin): string[] {
  const isAny = rule.origins.includes('*');
  const out = ['Access-Control-Allow-Origin', isAny ? '*' : asked.origin];
  if (!isAny) out.push('Access-Control-Allow-Credentials', 'true');
  out.push('Access-Control-Allow-Methods', rule.methods.join(', '));
  if (asked.headers.length > 0) out.push('Access-Control-Allow-Headers', asked.headers.join(', '));
  if (rule.exposed.length > 0) out.push('Access-Control-Expose-Headers', rule.exposed.join(', '));
  if (rule.maxAgeSeconds !== undefined) out.push('Access-Control-Max-Age', String(rule.maxAgeSeconds));
  return out;
}
