/**
 * One port for everything: health and metrics, Swift under its versioned paths, S3 for the rest. What a request is shows
 * in its path and its signature; nothing is tried twice.
 */
import type { HttpHandler, HttpRequest, HttpResponse } from '../fabric/http/contract.ts';
import type { ProxyWorld } from './contract.ts';
import type { RequestMeter } from './request-meter.ts';
import { createS3Handler } from './s3/handler.ts';
import { websiteBucket } from './s3/website-serve.ts';
import { createRemap } from './swift/domain-remap.ts';
import { createSwiftHandler } from './swift/handler.ts';

const SWIFT_PATHS = ['/v1/', '/v1.0/', '/auth/', '/v1', '/v1.0', '/auth', '/info', '/healthcheck', '/crossdomain.xml'];
const BAD_DOMAIN = 'Bad domain in host header';

export interface Handlers {
  /** Swift, S3, health, info and metrics. */
  readonly everything: HttpHandler;
  /** S3 and health alone: for a listener that may alter what Swift's headers carry. */
  readonly s3Only: HttpHandler;
}

export interface MetricsPage {
  readonly meter: RequestMeter;
  text(): Promise<string> | string;
}

export function createHandlers(world: ProxyWorld, { meter, text }: MetricsPage): Handlers {
  const swift = meter.wrap('swift', createSwiftHandler(world));
  const s3 = meter.wrap('s3', createS3Handler(world));
  const isSwift = (request: HttpRequest): boolean => {
    const { path } = request;
    for (const start of SWIFT_PATHS) {
      if (path === start || (start.endsWith('/') && path.startsWith(start)))
        return !isSigned(request) && websiteBucket(request.headers.get('host'), world.s3Domains) === undefined;
    }
    return false;
  };
  const shared = async (request: HttpRequest) => {
    if (request.path === '/metrics' && request.method === 'GET' && !isSigned(request)) {
      return {
        status: 200,
        headers: ['Content-Type', 'text/plain; version=0.0.4; charset=utf-8'],
        body: await text(),
      };
    }
    return undefined;
  };
  const { swift: options, clock, lookUpCname } = world;
  const remap = options && createRemap({ options, clock, lookUpCname });
  const plain: HttpHandler = (request) => {
    if (isSwift(request)) return swift(request);
    return request.path === '/metrics' ? shared(request).then((response) => response ?? s3(request)) : s3(request);
  };
  const remapped = async (request: HttpRequest): Promise<HttpResponse> => {
    const found = isSigned(request) ? undefined : await remap?.(request);
    if (found === 'bad') return { status: 400, headers: ['Content-Type', 'text/plain'], body: BAD_DOMAIN };
    return found ? swift(found) : plain(request);
  };
  return {
    everything: remap ? remapped : plain,
    s3Only: (request) => {
      if (request.path === '/healthcheck' && !isSigned(request)) return swift(request);
      return s3(request);
    },
  };
}

function isSigned(request: HttpRequest): boolean {
  const { query, headers } = request;
  if (headers.get('authorization')?.startsWith('AWS')) return true;
  return query !== undefined && (query.includes('X-Amz-Signature=') || query.includes('AWSAccessKeyId='));
}
