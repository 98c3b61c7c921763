/**
 * A set of named rules, checked as a whole when it is made: every rule parses, names only rules that exist, and never itself.
 * What a check cannot find, in credentials or target, it does not match: rights come only from what is there.
 */
import type { Credentials } from '../contract.ts';
import type { Policy, PolicyRow, PolicyTarget } from './contract.ts';
import { type Check, type Left, type Match, PolicyError, parseCheck } from './parse.ts';

export interface PolicyOptions {
  /** What the services come with: name to check. */
  readonly defaults: Readonly<Record<string, string>>;
  /** From the operator's file, over the defaults; may name new rules for others to use. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Names that overrides may add beyond the defaults; by default those without a colon, which only other rules ask. */
  readonly mayAdd?: (name: string) => boolean;
}

/** Throws PolicyError naming the rule. */
export function createPolicy({ defaults, overrides = {}, mayAdd = isHelper }: PolicyOptions): Policy {
  const checks = new Map<string, Check>();
  const rows = new Map<string, PolicyRow>();
  for (const [name, source] of [...Object.entries(defaults), ...Object.entries(overrides)]) {
    if (!Object.hasOwn(defaults, name) && !mayAdd(name)) throw new PolicyError(`${name}: no service asks this rule`);
    checks.set(
      name,
      within(name, () => parseCheck(source)),
    );
    rows.set(name, { name, check: typeof source === 'string' ? source : JSON.stringify(source) });
  }
  for (const name of checks.keys()) within(name, () => checkReferences(name, checks, []));
  return {
    allows(rule, credentials, target) {
      const check = checks.get(rule);
      return check !== undefined && judge(check, { checks, credentials, target });
    },
    has: (rule) => checks.has(rule),
    rows: [...rows.values()],
  };
}

const isHelper = (name: string): boolean => !name.includes(':');

function within<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PolicyError) throw new PolicyError(`${name}: ${error.message}`);
    throw error;
  }
}

function checkReferences(name: string, checks: ReadonlyMap<string, Check>, trail: readonly string[]): void {
  if (trail.includes(name)) throw new PolicyError(`rules go in a circle: ${[...trail, name].join(', ')}`);
  const check = checks.get(name);
  if (check === undefined) throw new PolicyError(`there is no rule ${name}`);
  for (const next of referencesOf(check)) checkReferences(next, checks, [...trail, name]);
}

function referencesOf(check: Check): string[] {
  if (check.kind === 'not') return referencesOf(check.part);
  if (check.kind === 'and' || check.kind === 'or') return [...new Set(check.parts.flatMap(referencesOf))];
  if (check.kind !== 'rule') return [];
  const [name, ...rest] = check.match;
  if (typeof name !== 'string' || rest.length > 0) throw new PolicyError('the name of a rule has no places in it');
  return [name];
}

interface Case {
  readonly checks: ReadonlyMap<string, Check>;
  readonly credentials: Credentials;
  readonly target: PolicyTarget;
}

function judge(check: Check, about: Case): boolean {
  switch (check.kind) {
    case 'constant':
      return check.value;
    case 'not':
      return !judge(check.part, about);
    case 'and':
      return check.parts.every((part) => judge(part, about));
    case 'or':
      return check.parts.some((part) => judge(part, about));
    case 'rule':
      return judge(about.checks.get(check.match[0] as string) as Check, about);
    case 'role': {
      const role = fill(check.match, about.target)?.toLowerCase();
      return about.credentials.roles.some((one) => one.toLowerCase() === role);
    }
    case 'attribute':
      return judgeAttribute(check.left, check.match, about);
  }
}

function judgeAttribute(left: Left, match: Match, { credentials, target }: Case): boolean {
  const wanted = fill(match, target);
  if (wanted === undefined) return false;
  if ('literal' in left) return left.literal === wanted;
  const value = credentialOf(credentials, left.credential);
  return value !== undefined && (Array.isArray(value) ? value.includes(wanted) : value === wanted);
}

/** Undefined where the target has no such attribute. */
function fill(match: Match, target: PolicyTarget): string | undefined {
  let text = '';
  for (const part of match) {
    const value = typeof part === 'string' ? part : textOf(attributeOf(target, part.target));
    if (value === undefined) return undefined;
    text += value;
  }
  return text;
}

/** A flat name with dots, or the way down nested objects. */
function attributeOf(target: PolicyTarget, name: string): unknown {
  if (Object.hasOwn(target, name)) return target[name];
  let at: unknown = target;
  for (const part of name.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

/** As Python prints it, since that is what the rules are written against. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return value === null ? 'None' : undefined;
}

/** oslo.context's names, and Keystone's older ones. An absent one matches nothing. */
const CREDENTIALS: Readonly<Record<string, (one: Credentials) => unknown>> = {
  user_id: ({ userId }) => userId || undefined,
  user: ({ userId }) => userId || undefined,
  user_name: ({ userName }) => userName,
  user_domain_id: ({ userDomainId }) => userDomainId,
  project_id: ({ projectId }) => projectId,
  tenant_id: ({ projectId }) => projectId,
  tenant: ({ projectId }) => projectId,
  project_name: ({ projectName }) => projectName,
  project_domain_id: ({ projectDomainId }) => projectDomainId,
  domain_id: ({ domainId }) => domainId,
  domain_name: ({ domainName }) => domainName,
  system_scope: ({ systemScope }) => systemScope,
  'system.all': ({ systemScope }) => systemScope === 'all',
  is_admin: ({ isAdmin, roles }) => isAdmin ?? roles.some((role) => role.toLowerCase() === 'admin'),
  service_roles: ({ serviceRoles }) => serviceRoles,
};

function credentialOf(credentials: Credentials, name: string): string | readonly string[] | undefined {
  const known = Object.hasOwn(CREDENTIALS, name) ? CREDENTIALS[name] : undefined;
  const value = known ? known(credentials) : attributeOf(credentials.extra ?? {}, name);
  return Array.isArray(value) ? value.map(String) : textOf(value);
}
