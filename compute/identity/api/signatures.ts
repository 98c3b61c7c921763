/** POST /v3/ec2tokens and /v3/s3tokens: a service shows a signature, and gets a token of the key's user if it is right. */
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { resolveAccessKey } from '../auth/access-key.ts';
import { checkEc2Signature, checkS3Signature } from '../auth/ec2-signature.ts';
import { newAuditId } from '../auth/issue.ts';
import { tokenBody } from '../auth/token-body.ts';
import { parseIsoTime } from '../iso-time.ts';
import { badRequest, unauthorized } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { encodePayload } from '../token-format.ts';
import type { Body } from './shared.ts';

/** How old a signed request may be. */
const SIGNED_MS_MAX = 15 * 60_000;
const NAMES = ['credentials', 'credential', 'ec2Credentials'] as const;
const BODY = schema<Readonly<Record<string, Body>>>({
  type: 'object',
  properties: Object.fromEntries(NAMES.map((name) => [name, { type: 'object' }])),
  minProperties: 1,
});

export function signatureRoutes(identity: Identity): Route[] {
  return [
    route({
      name: 's3tokens:issue',
      method: 'POST',
      path: '/v3/s3tokens',
      policy: 'identity:s3tokens_validate',
      body: BODY,
      note: 'AWS2 and AWS4 strings to sign; the answer has no X-Subject-Token, as in Keystone',
      run: (call) => issueFor(identity, call, { check: checkS3, showsToken: false }),
    }),
    route({
      name: 'ec2tokens:issue',
      method: 'POST',
      path: '/v3/ec2tokens',
      policy: 'identity:ec2tokens_validate',
      body: BODY,
      note: 'signature version 2 and AWS4',
      run: (call) => issueFor(identity, call, { check: checkEc2, showsToken: true }),
    }),
  ];
}

type Check = (secret: string, given: Body, nowMs: number) => boolean;

function checkS3(secret: string, given: Body): boolean {
  const { token, signature } = given;
  if (typeof token !== 'string' || typeof signature !== 'string')
    throw badRequest('Expecting to find token and signature.');
  return checkS3Signature(secret, Buffer.from(token, 'base64url'), signature);
}

function checkEc2(secret: string, given: Body, nowMs: number): boolean {
  const { signature, verb, host, path, body_hash: bodyHash } = given;
  if (typeof signature !== 'string') throw unauthorized('no signature');
  const params = objectOf(given['params']);
  const headers = objectOf(given['headers']);
  const time = params['Timestamp'] ?? headers['X-Amz-Date'] ?? params['X-Amz-Date'];
  if (time !== undefined && nowMs - parseSigned(String(time)) > SIGNED_MS_MAX) throw unauthorized('an old signature');
  const request = { signature, verb: String(verb), host: String(host), path: String(path), params, headers };
  return checkEc2Signature(secret, { ...request, bodyHash: String(bodyHash ?? '') });
}

function objectOf(value: unknown): Body {
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}

/** `20130524T000000Z` and ISO's longer form. */
function parseSigned(text: string): number {
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!compact) return parseIsoTime(text);
  const [, year, month, day, hour, minute, second] = compact;
  return parseIsoTime(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

interface Kind {
  readonly check: Check;
  readonly showsToken: boolean;
}

async function issueFor(
  identity: Identity,
  call: Call<unknown, Readonly<Record<string, Body>>>,
  { check, showsToken }: Kind,
): Promise<Answer> {
  const given = NAMES.map((name) => call.body[name]).find((one) => one !== undefined);
  if (given === undefined) throw badRequest(`Expecting to find one of ${NAMES.join(', ')} in the request body.`);
  const access = given['access'];
  if (typeof access !== 'string') throw unauthorized('no access key');
  return await identity.store.read(async (tx) => {
    const key = await resolveAccessKey(tx, identity, access);
    if (key === undefined || !check(key.secret, given, identity.clock.nowMs()))
      throw unauthorized('access key or signature');
    const payload = { ...key.claim.payload, auditIds: [newAuditId(identity)] };
    const { issuedAtS } = key.claim;
    const body = await tokenBody(tx, { ...key.resolved, payload }, { withCatalog: true });
    call.note({ user_id: payload.userId });
    if (!showsToken) return { body };
    const token = identity.tokenKeys.seal({ payload: encodePayload(payload), issuedAtS });
    return { body, headers: ['X-Subject-Token', token] };
  });
}
