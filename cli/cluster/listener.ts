/** What every HTTP listener of a process has in common: its address and certificate, where errors go, the URL it is reached at. */
import { systemClock } from '../../fabric/clock.ts';
import type { HttpListener } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import type { ClusterOptions } from './config.ts';

type Place = Pick<ClusterOptions, 'host' | 'tlsCert' | 'tlsKey'>;

export function listenerPlace({ host, tlsCert: certFile, tlsKey: keyFile }: Place) {
  return { host, ...(certFile && keyFile ? { tls: { certFile, keyFile } } : {}) };
}

export function listenerWorld(log: Logger) {
  return {
    clock: systemClock,
    onError: (error: unknown) => log.error({ err: error }, 'request handler failed'),
    onWarning: (line: string) => log.warn(line),
  };
}

export function urlOf({ host, tlsCert }: Place, { port }: Pick<HttpListener, 'port'>): string {
  return `${tlsCert ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
