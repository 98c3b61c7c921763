/**
 * STS: temporary keys and who one is. There are no roles: whoever assumes one stays who they are, with what the session's
 * policy leaves of their rights, and the role only names the session, as MinIO has it.
 * https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
 */
import { xmlElement } from '../../fabric/xml.ts';
import type { SessionKeys } from '../auth/sessions.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { queryFault } from './errors.ts';
import { countOf, invalid, isoSecond, type QueryCall, saidOf, userArn } from './query-call.ts';

const POLICY_LENGTH_MAX = 2048;
const ARN_LENGTH_MIN = 20;
const ARN_LENGTH_MAX = 2048;
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const LIFE_S_MIN = 900;
const ROLE_LIFE = { min: LIFE_S_MIN, max: 43_200, absent: 3600 };
const TOKEN_LIFE = { min: LIFE_S_MIN, max: 129_600, absent: 43_200 };

export function assumeRole(call: QueryCall): string {
  const { caller, user, parameters } = call;
  checkLasting(call, 'sts:AssumeRole');
  const arn = parameters.get('RoleArn') ?? '';
  if (arn !== '' && (arn.length < ARN_LENGTH_MIN || arn.length > ARN_LENGTH_MAX)) {
    throw invalid('RoleArn', `Member must have length between ${ARN_LENGTH_MIN} and ${ARN_LENGTH_MAX}`, arn);
  }
  const name = parameters.get('RoleSessionName') || 'session';
  if (!SESSION_NAME.test(name)) {
    throw invalid('RoleSessionName', `Member must satisfy regular expression pattern: ${SESSION_NAME.source}`, name);
  }
  const policy = readPolicy(parameters.get('Policy') ?? '');
  const role = arn.slice(arn.lastIndexOf('/') + 1) || user.name;
  const lifeMs = countOf(call, 'DurationSeconds', ROLE_LIFE) * 1000;
  const keys = call.sessions.issue(user, { name, role, policy, lifeMs });
  const assumed =
    xmlElement('Arn', sessionArn(user.account, role, name)) + xmlElement('AssumedRoleId', `${caller.user}:${name}`);
  const size =
    policy === '' ? '' : xmlElement('PackedPolicySize', Math.ceil((policy.length * 100) / POLICY_LENGTH_MAX));
  return `${keysXml(keys)}<AssumedRoleUser>${assumed}</AssumedRoleUser>${size}`;
}

export function getSessionToken(call: QueryCall): string {
  checkLasting(call, 'sts:GetSessionToken');
  const lifeMs = countOf(call, 'DurationSeconds', TOKEN_LIFE) * 1000;
  return keysXml(call.sessions.issue(call.user, { name: '', role: '', policy: '', lifeMs }));
}

export function getCallerIdentity({ user, caller }: QueryCall): string {
  const { session, account } = user;
  const isRole = session !== undefined && session.name !== '';
  const arn = isRole ? sessionArn(account, session.role, session.name) : userArn(user);
  const id = isRole ? `${caller.user}:${session.name}` : (caller.user ?? '');
  return xmlElement('Arn', arn) + xmlElement('UserId', id) + xmlElement('Account', account);
}

/** Temporary keys get no others. */
function checkLasting({ user, caller }: QueryCall, action: string): void {
  if (user.session !== undefined)
    throw queryFault('AccessDenied', `Cannot call ${action.slice(4)} with session credentials`);
  if (saidOf(caller.own, action, '') === 'deny') throw queryFault('AccessDenied');
}

function readPolicy(text: string): string {
  if (text === '') return '';
  if (text.length > POLICY_LENGTH_MAX) {
    throw queryFault('PackedPolicyTooLarge', `A policy may have ${POLICY_LENGTH_MAX} characters`);
  }
  callerPolicies([text]);
  return text;
}

const sessionArn = (account: string, role: string, name: string): string =>
  `arn:aws:sts::${account}:assumed-role/${role}/${name}`;

function keysXml({ accessKeyId, secretAccessKey, token, expiresMs }: SessionKeys): string {
  const inner =
    xmlElement('AccessKeyId', accessKeyId) +
    xmlElement('SecretAccessKey', secretAccessKey) +
    xmlElement('SessionToken', token) +
    xmlElement('Expiration', isoSecond(expiresMs));
  return `<Credentials>${inner}</Credentials>`;
}
