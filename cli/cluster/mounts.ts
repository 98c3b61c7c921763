/** Services that share the main port, each under a path of its own; the rest is the store's. */
import type { HttpHandler, HttpRequest } from '../../fabric/http/contract.ts';

export interface Mount {
  /** Begins with a slash, has none at its end. */
  readonly prefix: string;
  readonly handler: HttpHandler;
}

/** A signed S3 request is never anything else: its bucket may be called like a service. */
export function withMounts(mounts: readonly Mount[], rest: HttpHandler): HttpHandler {
  return (request) => {
    const mount = mounts.find(({ prefix }) => isUnder(request, prefix));
    return mount && !request.headers.get('authorization')?.startsWith('AWS') ? mount.handler(request) : rest(request);
  };
}

function isUnder({ path }: HttpRequest, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}
