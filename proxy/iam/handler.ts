/**
 * STS and IAM on the S3 port, as AWS' query protocol has them: `POST /` with a form, `Action=…&Version=…`, signed for the
 * service sts, iam or s3. Owns the order: form, signature, action, answer. Requests of S3 never come here.
 */
import { hash } from 'node:crypto';
import { isFault } from '../../fabric/errors.ts';
import { type HttpRequest, type HttpResponse, httpFaults } from '../../fabric/http/contract.ts';
import { XML_DECLARATION, xmlElement } from '../../fabric/xml.ts';
import { learnKey } from '../auth/learn-key.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { Authentication, Sigv4 } from '../auth/sigv4.ts';
import type { ProxyWorld } from '../contract.ts';
import { commonFact } from '../request-facts.ts';
import { ACTIONS, type ActionRow, XMLNS } from './actions.ts';
import type { IamDirectory } from './contract.ts';
import { queryErrorOf, queryErrorXml, queryFault } from './errors.ts';

const FORM_BYTES_MAX = 256 * 1024;
const PARAMETERS_MAX = 200;
const SERVICES = ['sts', 'iam', 's3'];
const BY_NAME: ReadonlyMap<string, ActionRow> = new Map(ACTIONS.map((row) => [row.name, row]));
/** Of a list: `Tags.member.1.Key`. */
const MEMBER = /\.member\.\d{1,4}(?=\.|$)/;
const COMMON: ReadonlySet<string> = new Set(['Action', 'Version']);

/** Whether a request for no bucket is one of these. */
export function isQueryCall({ method, headers, path }: HttpRequest): boolean {
  if (method !== 'POST' || path !== '/') return false;
  return headers.get('content-type')?.toLowerCase().startsWith('application/x-www-form-urlencoded') === true;
}

export interface QueryTools {
  readonly sigv4: Sigv4;
  readonly sessions: Sessions;
  readonly requestId: string;
}

export async function answerQuery(world: ProxyWorld, request: HttpRequest, tools: QueryTools): Promise<HttpResponse> {
  const { requestId } = tools;
  const headers = ['x-amzn-RequestId', requestId, 'Content-Type', 'text/xml'];
  let row: ActionRow | undefined;
  try {
    const bytes = await readForm(request);
    const parameters = parse(bytes);
    row = BY_NAME.get(parameters.get('Action') ?? '');
    const inner = await run(world, request, { ...tools, bytes, parameters, row });
    const name = row?.name ?? '';
    const result = inner === undefined ? '' : `<${name}Result>${inner}</${name}Result>`;
    const metadata = `<ResponseMetadata>${xmlElement('RequestId', requestId)}</ResponseMetadata>`;
    const xmlns = XMLNS[row?.service ?? 'sts'];
    const body = `${XML_DECLARATION}<${name}Response xmlns="${xmlns}">${result}${metadata}</${name}Response>`;
    return { status: 200, headers, body };
  } catch (error) {
    const answer = queryErrorOf(error);
    if (!isFault(error)) world.log.error({ err: error, transId: requestId }, 'query request failed unexpectedly');
    const xmlns = XMLNS[row?.service ?? 'sts'];
    return { status: answer.status, headers, body: queryErrorXml(answer, { xmlns, requestId }) };
  }
}

async function readForm({ body }: HttpRequest): Promise<Buffer> {
  try {
    return await body.collect(FORM_BYTES_MAX);
  } catch (error) {
    if (isFault(error, httpFaults.bodyTooLarge)) throw queryFault('ValidationError', 'The request is too large.');
    throw error;
  }
}

function parse(bytes: Buffer): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(bytes.toString('utf8'))) {
    if (parameters.has(name) || parameters.size >= PARAMETERS_MAX) throw queryFault('MalformedQueryString');
    parameters.set(name, value);
  }
  return parameters;
}

interface Posted extends QueryTools {
  readonly bytes: Buffer;
  readonly parameters: ReadonlyMap<string, string>;
  readonly row: ActionRow | undefined;
}

async function run(
  world: ProxyWorld,
  request: HttpRequest,
  { sigv4, sessions, bytes, parameters, row }: Posted,
): Promise<string | undefined> {
  if (row === undefined) {
    const action = (parameters.get('Action') ?? '').slice(0, 100);
    throw queryFault(
      'InvalidAction',
      `Could not find operation ${action} for version ${parameters.get('Version') ?? 'NO_VERSION_SPECIFIED'}`,
    );
  }
  if (row.run === undefined) throw queryFault('NotImplemented', `${row.name} is not implemented.`);
  const sha256 = hash('sha256', bytes, 'hex');
  const { user, caller } = await authenticate(world, sigv4, request, sha256);
  if (user === undefined) throw queryFault('MissingAuthenticationToken');
  const own = new Map([...parameters].filter(([name]) => !COMMON.has(name)));
  const unknown = [...own.keys()].find((name) => !row.takes.includes(name.replace(MEMBER, '.member.N')));
  if (unknown !== undefined) throw queryFault('NotImplemented', `${row.name} does not take ${unknown.slice(0, 100)}.`);
  const { iam } = world;
  const openIam = (): Promise<IamDirectory> => {
    if (iam === undefined) throw queryFault('NotImplemented', 'There is nowhere to keep users.');
    return iam();
  };
  const { region, clock } = world;
  const fact = (key: string): readonly string[] | undefined => commonFact(request, clock, key);
  return row.run({
    action: row.name,
    user,
    caller,
    sessions,
    openIam,
    region,
    nowMs: clock.nowMs(),
    fact,
    parameters: own,
  });
}

async function authenticate(
  world: ProxyWorld,
  sigv4: Sigv4,
  request: HttpRequest,
  sha256: string,
): Promise<Authentication> {
  const check = (): Authentication => {
    const auth = sigv4.authenticate(request, { services: SERVICES, sha256 });
    const { payload } = auth;
    // Whoever signs no body signs no action.
    const isSigned = auth.user === undefined || (payload.kind === 'sha256' && payload.hex === sha256);
    if (!isSigned) throw queryFault('SignatureDoesNotMatch');
    return auth;
  };
  try {
    return check();
  } catch (error) {
    await learnKey(world, error);
    return check();
  }
}
