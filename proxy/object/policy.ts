/**
 * Bucket policies: a strict reader of the document and the question what it says about a request. Pure; where the answer
 * counts among owner, ACLs and public access blocks is decided in authorise.ts. What the reader does not know it refuses.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */
import { Fault } from '../../fabric/errors.ts';
import { type Caller, storeFaults } from './contract.ts';
import { ALL_ACTIONS, CALLER_ACTIONS, ON_BUCKETS, ON_OBJECTS } from './policy-actions.ts';
import {
  asksForRequestTags,
  asksForTags,
  BadCondition,
  type Condition,
  holdAll,
  isNarrowing,
  readConditions,
} from './policy-conditions.ts';
import { compilePattern, type Facts, matches, type Pattern } from './policy-pattern.ts';

export const POLICY_BYTES_MAX = 20 * 1024;
const ARN = 'arn:aws:s3:::';
const VERSIONS: ReadonlySet<string> = new Set(['2012-10-17', '2008-10-17']);
const POLICY_FIELDS: ReadonlySet<string> = new Set(['Version', 'Id', 'Statement']);
const STATEMENT_FIELDS: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);

/** Everybody; everyone of an account; one user, `account:name`; whoever assumed a role, `account:name`. */
type Principal =
  | { readonly anybody: true }
  | { readonly account: string }
  | { readonly user: string }
  | { readonly role: string };

interface Statement {
  readonly allows: boolean;
  readonly principals: readonly Principal[];
  readonly notPrincipals: boolean;
  readonly actions: readonly Pattern[];
  readonly notActions: boolean;
  readonly resources: readonly Pattern[];
  readonly notResources: boolean;
  readonly conditions: readonly Condition[];
}

export interface Policy {
  readonly statements: readonly Statement[];
  /** It lets strangers in. */
  readonly isPublic: boolean;
  /** Only the object itself can tell whether it holds. */
  readonly asksForTags: boolean;
}

export interface PolicyQuestion {
  readonly caller: Caller;
  readonly action: string;
  readonly bucket: string;
  readonly key: string | undefined;
  readonly facts: Facts;
}

/** Fault MalformedPolicy, in AWS' words where they are known. `isNew`: what is stored is not held to younger rules. */
export function readPolicy(text: string, bucket: string, isNew = false): Policy {
  return readDocument(text, { bucket, isNew });
}

/**
 * The policy of a user or of a session: without principals, about any bucket. Actions and resources of other services may
 * stand in it, and mean nothing here. Fault MalformedPolicy.
 */
export function readCallerPolicy(text: string): Policy {
  return readDocument(text, { bucket: undefined, isNew: false });
}

/** The policy of a role that says who may assume it: with principals, about no resource. Fault MalformedPolicy. */
export function readTrustPolicy(text: string): Policy {
  return readDocument(text, { bucket: undefined, isNew: false, isTrust: true });
}

function readDocument(text: string, about: Omit<Reading, 'variables'>): Policy {
  if (Buffer.byteLength(text) > POLICY_BYTES_MAX) {
    throw malformed('Policy exceeds the maximum allowed document size.');
  }
  const root = readJson(text);
  checkFields(root, POLICY_FIELDS);
  const { Version: version = '2008-10-17', Id: id, Statement: statement } = root;
  if (typeof version !== 'string' || !VERSIONS.has(version)) {
    throw malformed('The policy must contain a valid version string');
  }
  if (id !== undefined && typeof id !== 'string') throw malformed('Invalid policy syntax.');
  if (statement === undefined) throw malformed('Missing required field Statement');
  const list: unknown[] = Array.isArray(statement) ? statement : [statement];
  if (list.length === 0) throw malformed('Could not parse the policy: Statement is empty!');
  const variables = version === '2012-10-17';
  const statements = list.map((each) => readStatement(each, { ...about, variables }));
  const isPublic = statements.some(isPublicStatement);
  return { statements, isPublic, asksForTags: statements.some(({ conditions }) => conditions.some(asksForTags)) };
}

function readJson(text: string): Readonly<Record<string, unknown>> {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    root = undefined;
  }
  if (!isObject(root) || !text.startsWith('{')) {
    throw malformed("Policies must be valid JSON and the first byte must be '{'");
  }
  return root;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkFields(object: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): void {
  const unknown = Object.keys(object).find((name) => !known.has(name));
  if (unknown !== undefined) throw malformed(`Unknown field ${unknown.slice(0, 100)}`);
}

interface Reading {
  /** Undefined: the policy belongs to a caller, or to a role. */
  readonly bucket: string | undefined;
  /** It says who may assume a role. */
  readonly isTrust?: boolean;
  readonly variables: boolean;
  readonly isNew: boolean;
}

function readStatement(json: unknown, reading: Reading): Statement {
  if (!isObject(json)) throw malformed('Invalid policy syntax.');
  checkFields(json, STATEMENT_FIELDS);
  const { Sid: sid, Effect: effect } = json;
  if (sid !== undefined && typeof sid !== 'string') throw malformed('Invalid policy syntax.');
  if (effect === undefined) throw malformed('Missing required field Effect');
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed(`Invalid effect: ${String(effect).slice(0, 100)}`);
  const allows = effect === 'Allow';
  const { isTrust = false } = reading;
  const isCallers = reading.bucket === undefined && !isTrust;
  if (isCallers && (json['Principal'] ?? json['NotPrincipal']) !== undefined) {
    throw malformed('Policy document should not specify a principal.');
  }
  const [principal, notPrincipals] = isCallers ? ['*', false] : oneOf(json, 'Principal');
  if (notPrincipals && allows) throw malformed('Statement with Effect Allow cannot have NotPrincipal');
  const [action, notActions] = oneOf(json, 'Action');
  if (isTrust && (json['Resource'] ?? json['NotResource']) !== undefined)
    throw malformed('Has prohibited field Resource');
  const [resource, notResources] = isTrust ? ['*', false] : oneOf(json, 'Resource');
  const actions = strings(action, 'Policy has invalid action').map((name) => readAction(name, reading));
  const places = strings(resource, 'Policy has invalid resource');
  const resources = places.map((text) => readResource(text, reading));
  if (reading.isNew && !notActions && !notResources) checkPairs(actions, places);
  return {
    allows,
    principals: readPrincipals(principal, isTrust),
    notPrincipals,
    actions,
    notActions,
    resources,
    notResources,
    conditions: json['Condition'] === undefined ? [] : conditionsOf(json['Condition'], reading),
  };
}

/** An element or its opposite: exactly one of the two. */
function oneOf(json: Readonly<Record<string, unknown>>, name: string): [value: unknown, negated: boolean] {
  const [value, opposite] = [json[name], json[`Not${name}`]];
  if (value !== undefined && opposite !== undefined) {
    throw malformed(`Statement cannot have both ${name} and Not${name}`);
  }
  if (value === undefined && opposite === undefined) throw malformed(`Missing required field ${name}`);
  return value === undefined ? [opposite, true] : [value, false];
}

function strings(value: unknown, message: string): readonly string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || !list.every((each) => typeof each === 'string')) throw malformed(message);
  return list as string[];
}

const BAD_PRINCIPAL = 'Invalid principal in policy';

/** `isTrust`: services and identity providers may be named as well, and are nobody here. */
function readPrincipals(value: unknown, isTrust: boolean): readonly Principal[] {
  if (value === '*') return [{ anybody: true }];
  if (!isObject(value) || Object.keys(value).length === 0) throw malformed(BAD_PRINCIPAL);
  return Object.entries(value).flatMap(([kind, names]) => {
    if (isTrust && (kind === 'Service' || kind === 'Federated')) return strings(names, BAD_PRINCIPAL).slice(0, 0) as [];
    if (kind !== 'AWS' && kind !== 'CanonicalUser') throw malformed(BAD_PRINCIPAL);
    return strings(names, BAD_PRINCIPAL).map((name) => readPrincipal(name, kind));
  });
}

/** `*`, an account, `account:user`, or an ARN of the root, of a user, of a role or of a session of one. */
function readPrincipal(name: string, kind: string): Principal {
  if (name === '*' && kind === 'AWS') return { anybody: true };
  const arn = /^arn:aws:iam::([^:*?]*):(?:(root)|user\/(?:[^*?]*\/)?([^/*?]+))$/.exec(name);
  if (arn) {
    const [, account = '', root, user = ''] = arn;
    if (root !== undefined && account !== '') return { account: plain(account) };
    if (root !== undefined) throw malformed(BAD_PRINCIPAL);
    // Without an account the user's name is all there is, as of stores whose accounts are users.
    return account === '' ? byId(user) : { user: `${plain(account)}:${user}` };
  }
  const role =
    /^arn:aws:(?:iam::([^:*?]+):role\/(?:[^*?]*\/)?([^/*?]+)|sts::([^:*?]+):(assumed-role\/[^/*?]+\/[^/*?]+))$/.exec(
      name,
    );
  if (role) {
    const [, account, roleName, ofSession = '', session = ''] = role;
    if (account !== undefined) return { role: `${plain(account)}:${roleName}` };
    return { user: `${plain(ofSession)}:${session}` };
  }
  if (name === '' || /[*?\s/]/.test(name) || name.startsWith('arn:')) throw malformed(BAD_PRINCIPAL);
  return byId(name);
}

const byId = (id: string): Principal => (id.includes(':') ? { user: plain(id) } : { account: plain(id) });

/** `AUTH_test` and `test` are the same account. */
const plain = (account: string): string => (account.startsWith('AUTH_') ? account.slice('AUTH_'.length) : account);

const OF_OTHERS = /^(?!s3:)[a-z0-9-]+:[a-z0-9*?]+$/;
/** With `*`, more may be meant than is known here: policies of AWS say `s3:Describe*`. */
const MANY_OF_S3 = /^s3:[a-z0-9?]*\*[a-z0-9*?]*$/;
const OF_STS = /^sts:[a-z*?]+$/;

function readAction(text: string, { bucket, isTrust }: Reading): Pattern {
  const name = text.toLowerCase();
  const pattern = compilePattern(name, { wild: true, variables: false });
  if (isTrust) {
    if (pattern && (name === '*' || OF_STS.test(name))) return pattern;
    throw malformed('AssumeRole policy may only specify STS AssumeRole actions.');
  }
  const isCallers = bucket === undefined;
  const all = isCallers ? CALLER_ACTIONS : ALL_ACTIONS;
  const isKnown =
    name === '*' ||
    (name.startsWith('s3:') && pattern && all.some((each) => like(pattern, each))) ||
    (isCallers && (OF_OTHERS.test(name) || MANY_OF_S3.test(name)));
  if (!pattern || !isKnown) throw malformed('Policy has invalid action');
  return pattern;
}

const NO_FACTS: Facts = () => undefined;
const like = (pattern: Pattern, text: string): boolean => matches(pattern, text, NO_FACTS);

/** What follows `arn:aws:s3:::`; it must be able to mean this bucket. */
function readResource(text: string, { bucket, variables }: Reading): Pattern {
  if (bucket === undefined) return readAnyResource(text, variables);
  const name = text.slice(ARN.length);
  const pattern = compilePattern(name, { wild: true, variables });
  const head = compilePattern(name.split('/')[0] ?? '', { wild: true, variables });
  const isHere = head !== undefined && (head.hasVariables || like(head, bucket));
  if (!text.startsWith(ARN) || !pattern || !isHere) throw malformed('Policy has invalid resource');
  return pattern;
}

/** Each action is one on objects, or on the bucket, and has a resource of its kind; with `*` a resource may be both. */
function checkPairs(actions: readonly Pattern[], resources: readonly string[]): void {
  const names = resources.map((text) => text.slice(ARN.length));
  const hasObjects = names.some((name) => name.includes('/') || name.includes('*'));
  const hasBucket = names.some((name) => !name.includes('/'));
  for (const action of actions) {
    const isMet =
      (hasObjects && ON_OBJECTS.some((name) => like(action, name))) ||
      (hasBucket && ON_BUCKETS.some((name) => like(action, name)));
    if (!isMet) throw malformed('Action does not apply to any resource(s) in statement');
  }
}

/** Of any bucket, or of another service, which matches nothing. */
function readAnyResource(text: string, variables: boolean): Pattern {
  const name = text.startsWith(ARN) ? text.slice(ARN.length) : text;
  const pattern = compilePattern(name, { wild: true, variables });
  if ((text !== '*' && !text.startsWith('arn:')) || !pattern) throw malformed('Policy has invalid resource');
  return pattern;
}

function conditionsOf(json: unknown, { variables, isTrust }: Reading): readonly Condition[] {
  try {
    return readConditions(json, variables, isTrust);
  } catch (error) {
    if (error instanceof BadCondition) throw malformed(error.message);
    throw error;
  }
}

function isPublicStatement({ allows, principals, conditions }: Statement): boolean {
  return allows && principals.some((each) => 'anybody' in each) && !conditions.some(isNarrowing);
}

/** An explicit Deny goes before any Allow; undefined when the policy says nothing. */
export function askPolicy({ statements }: Policy, question: PolicyQuestion): 'allow' | 'deny' | undefined {
  let answer: 'allow' | undefined;
  for (const statement of statements) {
    if (statement.allows && answer === 'allow') continue;
    if (!applies(statement, question)) continue;
    if (!statement.allows) return 'deny';
    answer = 'allow';
  }
  return answer;
}

/** Whether it is by conditions about the tags of the request that an Allow covers it. */
export function allowsByTags({ statements }: Policy, question: PolicyQuestion): boolean {
  return statements.some(
    (statement) => statement.allows && statement.conditions.some(asksForRequestTags) && applies(statement, question),
  );
}

function applies(statement: Statement, { caller, action, bucket, key, facts }: PolicyQuestion): boolean {
  const { principals, notPrincipals, actions, notActions, resources, notResources, conditions } = statement;
  if (principals.some((each) => isMeant(each, caller)) === notPrincipals) return false;
  const name = action.toLowerCase();
  if (actions.some((each) => like(each, name)) === notActions) return false;
  const resource = key === undefined ? bucket : `${bucket}/${key}`;
  if (resources.some((each) => matches(each, resource, facts)) === notResources) return false;
  return holdAll(conditions, facts);
}

/** Whether an Allow that covers it names the caller, and not just everybody or an account. */
export function namesCaller({ statements }: Policy, question: PolicyQuestion): boolean {
  const caller = { ...question.caller, account: undefined };
  const isNamed = (each: Principal): boolean => !('anybody' in each) && isMeant(each, caller);
  return statements.some(
    (statement) => statement.allows && statement.principals.some(isNamed) && applies(statement, question),
  );
}

function isMeant(principal: Principal, { account, user, role }: Caller): boolean {
  if ('anybody' in principal) return true;
  if ('role' in principal) return role?.name === principal.role;
  if ('user' in principal) return user !== undefined && user === principal.user;
  return account !== undefined && plain(account) === principal.account;
}

function malformed(message: string): Fault {
  return new Fault(storeFaults.malformedPolicy, {}, message);
}
