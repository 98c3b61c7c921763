/**
 * The Swift v1 API: finds out what a request is about and who asks, hands it to the file of its resource, and turns
 * whatever fails into an answer (errors.ts). Every answer carries a transaction id. Translates only: rights, bytes and
 * listings are the store's.
 */
import { fabricFaults, isFault } from '../../fabric/errors.ts';
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { createTokens } from '../auth/token.ts';
import type { CreateHandler, ProxyWorld } from '../contract.ts';
import { applyAccountAcl, mayBeNamed } from './account-acl.ts';
import { authenticate, isAuthPath } from './auth.ts';
import { SwiftCall, type SwiftWorld } from './call.ts';
import { mayBeSync, openSync, unlessSuperseded } from './container-sync.ts';
import { pushCors } from './cors.ts';
import { errorResponse } from './errors.ts';
import { quoteEtag } from './etag-quoter.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { answerForm, isForm } from './form-post.ts';
import { policyNamesOf, urlDigestsOf } from './info.ts';
import { createNameCheck } from './name-check.ts';
import { decodeName, splitPath } from './names.ts';
import { route } from './operations.ts';
import { RateLimits } from './rate-limit.ts';
import { refuseUnsupported } from './request-rules.ts';
import type { SwiftResponse } from './response.ts';
import { joinService } from './service-token.ts';
import { mayBeVisit, visit } from './static-web.ts';
import { dressAnswer, openTempUrl, type TempUrl } from './temp-url.ts';
import { makeTransId } from './trans-id.ts';

const API_VERSIONS = ['v1', 'v1.0'];

export const createSwiftHandler: CreateHandler = (world: ProxyWorld) => {
  const { tokenSecret, users, clock } = world;
  const tokens = createTokens({ secret: tokenSecret, users, clock });
  const { info } = world;
  const { rates, nameCheck } = world.swift ?? {};
  const swift: SwiftWorld = {
    ...world,
    tokens,
    policies: policyNamesOf(info),
    urlDigests: urlDigestsOf(info),
    rateLimits: rates && new RateLimits(rates, clock),
    checkPath: nameCheck && createNameCheck(nameCheck),
    syncs: (world.swift?.sync.realms.size ?? 0) > 0,
  };
  return (request) => serve(swift, request);
};

async function serve(world: SwiftWorld, request: HttpRequest): Promise<HttpResponse> {
  const transId = makeTransId(world, request.headers.get('x-trans-id-extra'));
  world.trace?.name(transId);
  const call = new SwiftCall(world, request, transId);
  let response: SwiftResponse;
  try {
    response = await dispatch(call);
  } catch (error) {
    // The client is gone or stalled: the engine knows what is left to do.
    if (isFault(error, fabricFaults.aborted)) throw error;
    response = errorResponse(error, call);
    if (response.status === 500) world.log.error({ transId, err: error, path: request.path }, 'request failed');
  }
  response.headers.push('X-Trans-Id', transId, 'X-Openstack-Request-Id', transId);
  if (request.headers.get('origin') !== undefined) await addCors(call, response);
  return response;
}

/** An answer without them is as good to everybody but a script of another site. */
async function addCors(call: SwiftCall, response: SwiftResponse): Promise<void> {
  try {
    await pushCors(call, response.headers);
  } catch (error) {
    if (!isFault(error)) throw error;
    call.world.log.warn({ transId: call.transId, err: error }, 'no CORS headers');
  }
}

function dispatch(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  const { path } = call.http;
  if (path === '/info') return route(call, 'info').run(call);
  if (path === '/crossdomain.xml') return route(call, 'crossdomain').run(call);
  if (path === '/healthcheck') return route(call, 'healthcheck').run(call);
  if (isAuthPath(path)) return route(call, 'auth').run(call);
  // An encoded slash is a slash, as everywhere in Swift: no container has one in its name.
  const raw = splitPath(path.includes('%2') ? path.replace(/%2f/gi, '/') : path);
  if (!raw || raw.account === '') throw refuseAsPage(swiftFaults.preconditionFailed, 'Bad URL');
  if (!API_VERSIONS.includes(raw.version)) throw refuse(swiftFaults.notFound);
  call.account = decodeName(raw.account);
  call.container = decodeName(raw.container);
  call.object = decodeName(raw.object);
  call.world.checkPath?.(decodeName(path));
  if (isForm(call)) return answerForm(call);
  if (call.http.query === undefined) return dispatchAs(call);
  return openTempUrl(call).then((tempUrl) => dispatchOpened(call, tempUrl));
}

async function dispatchOpened(call: SwiftCall, tempUrl: TempUrl | undefined): Promise<SwiftResponse> {
  if (tempUrl === undefined) return dispatchAs(call);
  const answer = await run(call);
  dressAnswer(call, tempUrl, answer);
  return answer;
}

function dispatchAs(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  const asked = authenticate(call);
  return asked ? asked.then(() => runAs(call)) : runAs(call);
}

function runAs(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  return mayBeSync(call) ? openSync(call).then(() => runOpened(call)) : runOpened(call);
}

function runOpened(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  const service = call.header('x-service-token');
  if (service) joinService(call, service);
  const { rateLimits } = call.world;
  return rateLimits ? rateLimits.wait(call).then(() => runNamed(call)) : runNamed(call);
}

function runNamed(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  if (call.isSync) return run(call);
  return mayBeNamed(call) ? applyAccountAcl(call).then(() => runOrVisit(call)) : runOrVisit(call);
}

function runOrVisit(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  return mayBeVisit(call) ? visit(call, () => run(call)) : run(call);
}

function run(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  const target = call.object !== '' ? 'object' : call.container === '' ? 'account' : 'container';
  const row = route(call, target);
  refuseUnsupported(call, target);
  const answer = call.at === undefined ? row.run(call) : unlessSuperseded(call, async () => row.run(call));
  if (target !== 'object') return answer;
  return answer instanceof Promise ? answer.then((made) => quoteEtag(call, made)) : quoteEtag(call, answer);
}
