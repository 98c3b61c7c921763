/**
 * Opens a listener on the engine that its configuration names. Where uWebSockets.js cannot run, node:http takes over with
 * one warning line: a store on another platform is slower, not absent.
 */
import type { Clock } from '../clock.ts';
import type { HttpHandler, HttpListener, HttpListenOptions } from './contract.ts';
import { nodeEngine } from './node-engine.ts';

export type HttpEngineName = 'node' | 'uws';

export interface HttpWorld {
  readonly clock: Clock;
  /** A handler threw, or a stream failed in the middle of a response. */
  readonly onError: (error: unknown) => void;
  /** One line a listener, when the wanted engine cannot be had. */
  readonly onWarning?: (line: string) => void;
}

/** Rejects when the address cannot be had or the certificate cannot be read. `engine` of the result says which one runs. */
export async function listen(
  engine: HttpEngineName,
  handler: HttpHandler,
  options: HttpListenOptions,
  world: HttpWorld,
): Promise<HttpListener> {
  if (engine === 'node') return nodeEngine(handler, options, world);
  // Loaded only when asked for: the binary costs memory and exists for few platforms.
  const { NativeMissing, uwsEngine } = await import('./uws-engine.ts');
  try {
    return await uwsEngine(handler, options, world);
  } catch (error) {
    if (!(error instanceof NativeMissing)) throw error;
    world.onWarning?.(
      `uWebSockets.js is not available (${error.message}): ${options.host}:${options.port} is served by node:http`,
    );
    return nodeEngine(handler, options, world);
  }
}
