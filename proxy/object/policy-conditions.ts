/**
 * Conditions of a bucket policy: operators, the keys they may ask about, and whether a request meets them. Pure. A key
 * that no request here can have is refused when the policy is written, so that no condition silently never holds.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
import { isInIpRange } from '../../fabric/ip-range.ts';
import { compilePattern, type Facts, matches, type Pattern, variablesOf } from './policy-pattern.ts';

/** Says whether one value of the request is met by one of the policy. */
type Test = (value: string, wanted: Wanted, facts: Facts) => boolean;

interface Wanted {
  readonly text: string;
  readonly pattern: Pattern;
  /** Of numbers and dates. */
  readonly number: number;
  /** Of ARNs: one pattern for each of the six fields. */
  readonly fields: readonly Pattern[];
}

interface Operator {
  readonly kind: 'string' | 'number' | 'date' | 'bool' | 'ip' | 'arn' | 'null';
  readonly test: Test;
  readonly negated?: true;
  /** `*` and `?` mean something in its values. */
  readonly wild?: true;
}

const equalString: Test = (value, { pattern }, facts) => matches(pattern, value, facts);
const equalAnyCase: Test = (value, { pattern, text }, facts) =>
  pattern.hasVariables
    ? matches(lowered(pattern), value.toLowerCase(), (key) => facts(key)?.map((each) => each.toLowerCase()))
    : value.toLowerCase() === text.toLowerCase();
const ip: Test = (value, { text }) => isInIpRange(value, text);
const bool: Test = (value, { text }) => value.toLowerCase() === text.toLowerCase();
const arn: Test = (value, { fields }, facts) => {
  const parts = splitArn(value);
  return parts.length === fields.length && fields.every((field, i) => matches(field, parts[i] as string, facts));
};
const byNumber =
  (holds: (value: number, wanted: number) => boolean): Test =>
  (value, { number }) =>
    value.trim() !== '' && holds(Number(value), number);
const byDate =
  (holds: (value: number, wanted: number) => boolean): Test =>
  (value, { number }) =>
    holds(readDateMs(value), number);

const ORDERS = {
  Equals: (a: number, b: number) => a === b,
  LessThan: (a: number, b: number) => a < b,
  LessThanEquals: (a: number, b: number) => a <= b,
  GreaterThan: (a: number, b: number) => a > b,
  GreaterThanEquals: (a: number, b: number) => a >= b,
} as const;

function comparisons(): [string, Operator][] {
  return Object.entries(ORDERS).flatMap(([name, holds]): [string, Operator][] => [
    [`Numeric${name}`, { kind: 'number', test: byNumber(holds) }],
    [`Date${name}`, { kind: 'date', test: byDate(holds) }],
  ]);
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['StringEquals', { kind: 'string', test: equalString }],
  ['StringNotEquals', { kind: 'string', test: equalString, negated: true }],
  ['StringEqualsIgnoreCase', { kind: 'string', test: equalAnyCase }],
  ['StringNotEqualsIgnoreCase', { kind: 'string', test: equalAnyCase, negated: true }],
  ['StringLike', { kind: 'string', test: equalString, wild: true }],
  ['StringNotLike', { kind: 'string', test: equalString, wild: true, negated: true }],
  ...comparisons(),
  ['NumericNotEquals', { kind: 'number', test: byNumber(ORDERS.Equals), negated: true }],
  ['DateNotEquals', { kind: 'date', test: byDate(ORDERS.Equals), negated: true }],
  ['Bool', { kind: 'bool', test: bool }],
  ['BinaryEquals', { kind: 'string', test: equalString }],
  ['IpAddress', { kind: 'ip', test: ip }],
  ['NotIpAddress', { kind: 'ip', test: ip, negated: true }],
  ['ArnEquals', { kind: 'arn', test: arn, wild: true }],
  ['ArnLike', { kind: 'arn', test: arn, wild: true }],
  ['ArnNotEquals', { kind: 'arn', test: arn, wild: true, negated: true }],
  ['ArnNotLike', { kind: 'arn', test: arn, wild: true, negated: true }],
  ['Null', { kind: 'null', test: bool }],
]);

/** Every key that a request here can have a value for, lower-case; with `/` at the end, any name may follow. */
const KEYS: ReadonlySet<string> = new Set(
  [
    'aws:CurrentTime aws:EpochTime aws:PrincipalAccount aws:PrincipalArn aws:PrincipalType aws:Referer',
    'aws:ResourceAccount aws:SecureTransport aws:SourceIp aws:UserAgent aws:userid aws:username',
    's3:authType s3:delimiter s3:ExistingObjectTag/ s3:max-keys s3:prefix',
    's3:RequestObjectTag/ s3:RequestObjectTagKeys s3:ResourceAccount s3:signatureAge s3:signatureversion s3:VersionId',
    's3:object-lock-legal-hold s3:object-lock-mode s3:object-lock-retain-until-date',
    's3:object-lock-remaining-retention-days',
    's3:x-amz-acl s3:x-amz-content-sha256 s3:x-amz-copy-source s3:x-amz-grant-full-control s3:x-amz-grant-read',
    's3:x-amz-grant-read-acp s3:x-amz-grant-write s3:x-amz-grant-write-acp s3:x-amz-metadata-directive',
    's3:x-amz-object-ownership s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id',
    's3:x-amz-server-side-encryption-customer-algorithm s3:x-amz-storage-class s3:x-amz-website-redirect-location',
    's3:if-match s3:if-none-match',
  ]
    .join(' ')
    .toLowerCase()
    .split(' '),
);

/** Of a request to assume a role alone. */
const TRUST_KEYS: ReadonlySet<string> = new Set(['sts:externalid', 'sts:rolesessionname']);

/** Keys that pin a grant to somebody or somewhere: what they hold for is not "the public". */
const NARROWING: ReadonlySet<string> = new Set([
  'aws:sourceip',
  'aws:userid',
  'aws:username',
  'aws:principalarn',
  'aws:principalaccount',
]);

export interface Condition {
  readonly operator: Operator;
  readonly key: string;
  readonly values: readonly Wanted[];
  readonly set: 'all' | 'any' | undefined;
  readonly ifExists: boolean;
}

/** Why a condition is refused, in AWS' words. */
export class BadCondition extends Error {}

/** The whole Condition element; throws BadCondition. `isTrust`: of a policy that says who may assume a role. */
export function readConditions(json: unknown, hasVariables: boolean, isTrust = false): readonly Condition[] {
  const conditions: Condition[] = [];
  for (const [name, block] of entriesOf(json)) {
    const { operator, set, ifExists } = readOperator(name);
    for (const [key, values] of entriesOf(block)) {
      const texts = (Array.isArray(values) ? values : [values]).map(readScalar);
      if (texts.length === 0) throw new BadCondition('Policy has an invalid condition value');
      const wanted = texts.map((text) => readWanted(text, operator, hasVariables));
      conditions.push({ operator, set, ifExists, key: readKey(key, isTrust), values: wanted });
    }
  }
  return conditions;
}

function entriesOf(json: unknown): [string, unknown][] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new BadCondition('Policy has an invalid condition block');
  }
  return Object.entries(json);
}

function readOperator(name: string): Pick<Condition, 'operator' | 'set' | 'ifExists'> {
  const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(name);
  const operator = OPERATORS.get(match?.[2] ?? '');
  if (!match || !operator || (operator.kind === 'null' && match[3])) {
    throw new BadCondition(`Invalid Condition type : ${name}`);
  }
  const set = match[1] === 'ForAllValues' ? 'all' : match[1] === 'ForAnyValue' ? 'any' : undefined;
  return { operator, set, ifExists: match[3] !== undefined };
}

/** Lower-case, but for the name of a tag. */
function readKey(name: string, isTrust: boolean): string {
  const slash = name.indexOf('/');
  const key = slash < 0 ? name.toLowerCase() : name.slice(0, slash + 1).toLowerCase() + name.slice(slash + 1);
  const family = slash < 0 ? key : key.slice(0, slash + 1);
  const isKnown = KEYS.has(family) || (isTrust && TRUST_KEYS.has(key));
  if (!isKnown || (slash >= 0 && slash === name.length - 1)) {
    throw new BadCondition('Policy has an invalid condition key');
  }
  return key;
}

function readScalar(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  throw new BadCondition('Policy has an invalid condition value');
}

const NO_PATTERN: Pattern = { tokens: [], isFixed: true, hasVariables: false };

function readWanted(text: string, { kind, wild }: Operator, variables: boolean): Wanted {
  const bad = new BadCondition('Policy has an invalid condition value');
  const compile = (part: string): Pattern => {
    const pattern = compilePattern(part, { wild: wild === true, variables });
    if (!pattern || variablesOf(pattern).some((key) => !KEYS.has(key.replace(/\/.*/, '/')))) throw bad;
    return pattern;
  };
  const pattern = kind === 'string' ? compile(text) : NO_PATTERN;
  const fields = kind === 'arn' ? splitArn(text).map(compile) : [];
  const number = kind === 'number' ? Number(text) : kind === 'date' ? readDateMs(text) : 0;
  if (Number.isNaN(number) || (kind === 'number' && text.trim() === '')) throw bad;
  if ((kind === 'bool' || kind === 'null') && !/^(?:true|false)$/i.test(text)) throw bad;
  if (kind === 'ip' && !isInIpRange(text.replace(/\/.*/, ''), text)) throw bad;
  if (kind === 'arn' && fields.length !== 6 && text !== '*') throw bad;
  return { text, pattern, number, fields: text === '*' && kind === 'arn' ? ANY_ARN.map(compile) : fields };
}

const ANY_ARN = ['*', '*', '*', '*', '*', '*'];

/** `arn:partition:service:region:account:resource`; colons of the resource are its own. */
function splitArn(text: string): string[] {
  const parts = text.split(':');
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(':')];
}

/** Unix milliseconds of ISO 8601 or of Unix seconds; NaN for anything else. */
function readDateMs(text: string): number {
  if (/^-?\d{1,12}(?:\.\d+)?$/.test(text)) return /^\d{4}$/.test(text) ? Date.parse(text) : Number(text) * 1000;
  return /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
}

function lowered(pattern: Pattern): Pattern {
  const lower = (code: number): number => (code < 0 ? code : String.fromCharCode(code).toLowerCase().charCodeAt(0));
  return { ...pattern, tokens: pattern.tokens.map((token) => (typeof token === 'number' ? lower(token) : token)) };
}

/** Every condition holds. */
export function holdAll(conditions: readonly Condition[], facts: Facts): boolean {
  return conditions.every((condition) => holds(condition, facts));
}

function holds({ operator, key, values, set, ifExists }: Condition, facts: Facts): boolean {
  const found = facts(key);
  const isThere = found !== undefined && found.length > 0;
  if (operator.kind === 'null') return values.some(({ text }) => (text.toLowerCase() === 'true') !== isThere);
  if (!isThere) return ifExists || set === 'all' || (operator.negated === true && set === undefined);
  const meets = (value: string): boolean => values.some((wanted) => operator.test(value, wanted, facts));
  const isMet = operator.negated ? (value: string): boolean => !meets(value) : meets;
  const everyOne = set === 'all' || (set === undefined && operator.negated === true);
  return everyOne ? found.every(isMet) : found.some(isMet);
}

/** Whether it pins a grant to somebody or somewhere (AWS, "The meaning of public"). */
export function isNarrowing({ operator, key, values, set, ifExists }: Condition): boolean {
  if (!NARROWING.has(key) || operator.negated || ifExists || set === 'all' || operator.kind === 'null') return false;
  return values.every(({ text, pattern, fields }) => {
    if (operator.kind === 'ip') return !/\/0+$/.test(text);
    return operator.kind === 'arn' ? fields.every(({ isFixed }) => isFixed) : pattern.isFixed && pattern !== NO_PATTERN;
  });
}

/** Whether it asks about the tags of the object that is there. */
export function asksForTags({ key }: Condition): boolean {
  return key.startsWith('s3:existingobjecttag/');
}

/** Whether it asks about the tags that a request brings. */
export function asksForRequestTags({ key }: Condition): boolean {
  return key.startsWith('s3:requestobjecttag');
}
