/**
 * STS: temporary keys and who one is. Roles are IAM's; in an account without any, whoever assumes one stays who they are,
 * with what the session's policy leaves of their rights, and the role only names the session, as MinIO has it.
 * https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
 */
import { xmlElement } from '../../fabric/xml.ts';
import type { SessionKeys } from '../auth/sessions.ts';
import type { AssumableRole } from '../contract.ts';
import { mayAssume } from '../object/authorise.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { readTrustPolicy } from '../object/policy.ts';
import type { Facts } from '../object/policy-pattern.ts';
import { AWS_ACCOUNT } from './aws-policies.ts';
import { arnOf } from './contract.ts';
import { queryFault } from './errors.ts';
import { countOf, invalid, isoSecond, listOf, matching, type QueryCall } from './query-call.ts';
import { callerArn, factsOf, saidOf, sessionArn } from './subjects.ts';

const POLICY_LENGTH_MAX = 2048;
const POLICY_ARNS_MAX = 10;
const ARN_LENGTH_MIN = 20;
const ARN_LENGTH_MAX = 2048;
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const LIFE_S_MIN = 900;
const EXTERNAL_ID = /^[\w+=,.@:/-]{2,1224}$/;
const ROLE_ARN = /^arn:aws:iam::([^:/]+):role\/(?:[^:]*\/)?([\w+=,.@-]{1,64})$/;
const CHAINED_LIFE_S = 3600;
const ROLE_LIFE = { min: LIFE_S_MIN, max: 43_200, absent: 3600 };
const TOKEN_LIFE = { min: LIFE_S_MIN, max: 129_600, absent: 43_200 };

export function assumeRole(call: QueryCall): string {
  const { caller, user, parameters } = call;
  const arn = parameters.get('RoleArn') ?? '';
  if (arn !== '' && (arn.length < ARN_LENGTH_MIN || arn.length > ARN_LENGTH_MAX)) {
    throw invalid('RoleArn', `Member must have length between ${ARN_LENGTH_MIN} and ${ARN_LENGTH_MAX}`, arn);
  }
  const name = matching('RoleSessionName', parameters.get('RoleSessionName') || 'session', SESSION_NAME);
  const externalId = parameters.get('ExternalId');
  if (externalId !== undefined) matching('ExternalId', externalId, EXTERNAL_ID);
  const role = roleOf(call, arn, { name, externalId });
  if (role === undefined) checkLasting(call, 'sts:AssumeRole');
  const policy = readPolicy(parameters.get('Policy') ?? '');
  const title = role?.name ?? (arn.slice(arn.lastIndexOf('/') + 1) || user.name);
  const lifeMs = lifeOf(call, role) * 1000;
  const account = role?.account ?? user.account;
  const arns = policyArns(call, account);
  const keys = call.sessions.issue(user, { name, role: title, policy, lifeMs, roleId: role?.id, arns });
  const assumed =
    xmlElement('Arn', sessionArn(account, title, name)) +
    xmlElement('AssumedRoleId', `${role?.id ?? caller.user}:${name}`);
  const size =
    policy === '' ? '' : xmlElement('PackedPolicySize', Math.ceil((policy.length * 100) / POLICY_LENGTH_MAX));
  return `${keysXml(keys)}<AssumedRoleUser>${assumed}</AssumedRoleUser>${size}`;
}

interface Wanted {
  readonly name: string;
  readonly externalId: string | undefined;
}

/**
 * The role that is meant, when the caller may assume it. Undefined where the ARN's account has no roles: then the ARN only
 * names the session. Fault AccessDenied.
 */
function roleOf(call: QueryCall, arn: string, { name, externalId }: Wanted): AssumableRole | undefined {
  const { caller, sessions, user } = call;
  const [, account = '', roleName = ''] = ROLE_ARN.exec(arn) ?? [];
  const { roles } = sessions.users;
  if (!roles?.has(account)) return undefined;
  const role = roles.byName(account, roleName);
  const usual = factsOf(call);
  const facts: Facts = (key) => {
    if (key === 'sts:rolesessionname') return [name];
    if (key === 'sts:externalid') return externalId === undefined ? undefined : [externalId];
    return usual(key);
  };
  const isIt = role !== undefined && arn === arnOf('role', role, role.path);
  // Keys of GetSessionToken may, keys of an AssumeRole without a role may not.
  const isWhole = user.session === undefined || user.session.name === '' || caller.role !== undefined;
  const may = isIt && isWhole && mayAssume({ caller, facts }, { trust: readTrustPolicy(role.trust), account, arn });
  if (may) return role;
  const message = `User: ${callerArn(call)} is not authorized to perform: sts:AssumeRole on resource: ${arn}`;
  throw queryFault('AccessDenied', message);
}

/** Seconds. From a role to the next it is at most an hour, as AWS has it. */
function lifeOf(call: QueryCall, role: AssumableRole | undefined): number {
  const lifeS = countOf(call, 'DurationSeconds', ROLE_LIFE);
  const isChained = call.caller.role !== undefined;
  const mostS = role === undefined ? lifeS : isChained ? CHAINED_LIFE_S : role.maxSessionS;
  if (lifeS <= mostS) return lifeS;
  throw queryFault(
    'ValidationError',
    isChained
      ? 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.'
      : 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
  );
}

export function getSessionToken(call: QueryCall): string {
  checkLasting(call, 'sts:GetSessionToken');
  const lifeMs = countOf(call, 'DurationSeconds', TOKEN_LIFE) * 1000;
  return keysXml(call.sessions.issue(call.user, { name: '', role: '', policy: '', lifeMs }));
}

export function getCallerIdentity(call: QueryCall): string {
  const { user, caller } = call;
  const { session, account } = user;
  const isRole = session !== undefined && session.name !== '';
  const id = caller.role?.id ?? (isRole ? `${caller.user}:${session.name}` : (caller.user ?? ''));
  return xmlElement('Arn', callerArn(call)) + xmlElement('UserId', id) + xmlElement('Account', account);
}

/** Temporary keys get no others, but by assuming a role from another. */
function checkLasting(call: QueryCall, action: string): void {
  const { user, caller } = call;
  if (user.session !== undefined)
    throw queryFault('AccessDenied', `Cannot call ${action.slice(4)} with session credentials`);
  if (saidOf(call, caller.own, action, '') === 'deny') throw queryFault('AccessDenied');
}

/** Managed policies that the session is to have, of the role's account or of AWS. */
function policyArns(call: QueryCall, account: string): readonly string[] {
  const arns = listOf(call, 'PolicyArns').map((fields) => fields.get('arn') ?? '');
  if (arns.length > POLICY_ARNS_MAX) {
    throw invalid('PolicyArns', `Member must have length less than or equal to ${POLICY_ARNS_MAX}`);
  }
  for (const arn of arns) {
    const isHere = [account, AWS_ACCOUNT].some((each) => arn.startsWith(`arn:aws:iam::${each}:policy/`));
    if (isHere && call.sessions.users.roles?.policy(arn)) continue;
    throw queryFault('MalformedPolicyDocument', `Policy ${arn.slice(0, 200)} does not exist.`);
  }
  return arns;
}

function readPolicy(text: string): string {
  if (text === '') return '';
  if (text.length > POLICY_LENGTH_MAX) {
    throw queryFault('PackedPolicyTooLarge', `A policy may have ${POLICY_LENGTH_MAX} characters`);
  }
  callerPolicies([text]);
  return text;
}

function keysXml({ accessKeyId, secretAccessKey, token, expiresMs }: SessionKeys): string {
  const inner =
    xmlElement('AccessKeyId', accessKeyId) +
    xmlElement('SecretAccessKey', secretAccessKey) +
    xmlElement('SessionToken', token) +
    xmlElement('Expiration', isoSecond(expiresMs));
  return `<Credentials>${inner}</Credentials>`;
}
