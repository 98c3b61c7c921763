/**
 * At log level debug, a transaction's id travels from the proxy to the zones as one more field of a call's arguments
 * (`transId`, which no handler reads), and a zone writes a line a call and the id into every line that the call causes. At
 * other levels there is no trace, and none of this is in the way.
 */
import type { Clock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import type { Logger } from '../../fabric/logger.ts';
import type { CallContext, Handler, Handlers, Peer, Reply } from '../../fabric/rpc/contract.ts';
import { createTrace, type Trace } from '../../fabric/trace.ts';

interface TracedArgs {
  readonly device?: number;
  readonly transId?: string;
}

export interface Traced {
  readonly log: Logger;
  readonly trace: Trace;
  readonly clock: Clock;
}

/** Whether anybody will read at which transaction's call something happened. */
export const traceFor = (level: string): Trace | undefined =>
  level === 'debug' || level === 'trace' ? createTrace() : undefined;

/** The peers, saying to which transaction each call belongs. Those that several devices share stay shared. */
export function tracePeers(peers: ReadonlyMap<number, Peer>, trace: Trace): ReadonlyMap<number, Peer> {
  const traced = new Map<Peer, Peer>();
  for (const peer of peers.values()) if (!traced.has(peer)) traced.set(peer, tracePeer(peer, trace));
  return new Map([...peers].map(([device, peer]) => [device, traced.get(peer) as Peer]));
}

function tracePeer(peer: Peer, trace: Trace): Peer {
  return {
    name: peer.name,
    call(method, args, options) {
      const transId = trace.id();
      return peer.call(method, transId === undefined ? args : { ...(args as object), transId }, options);
    },
    get up() {
      return peer.up;
    },
    get load() {
      return peer.load;
    },
    close: () => peer.close(),
  };
}

/** The zone's handlers, each call with a line: method, device, transaction, time, and the fault if it ended in one. */
export function traceHandlers(handlers: Handlers, traced: Traced): Handlers {
  const entries = Object.entries(handlers).map(([method, handler]) => {
    const call = handler as (args: TracedArgs, context: CallContext) => Promise<Reply> | Reply;
    const wrapped = (args: TracedArgs, context: CallContext): Promise<Reply> =>
      traced.trace.run(args.transId, () => callWithLine(traced, { method, call }, { args, context }));
    return [method, wrapped as Handler] as const;
  });
  return Object.fromEntries(entries);
}

async function callWithLine(
  { log, clock, trace }: Traced,
  { method, call }: { method: string; call: (args: TracedArgs, context: CallContext) => Promise<Reply> | Reply },
  { args, context }: { args: TracedArgs; context: CallContext },
): Promise<Reply> {
  const startMs = clock.monotonicMs();
  const fields = { method, device: args.device, from: context.peerName };
  const ms = (): number => Math.round((clock.monotonicMs() - startMs) * 1000) / 1000;
  try {
    const { value, download } = await call(args, context);
    log.debug({ ...fields, ms: ms() }, 'call');
    return { value, download: download && trace.follow(download) };
  } catch (error) {
    if (isFault(error)) log.debug({ ...fields, ms: ms(), fault: error.code }, 'call refused');
    else log.error({ ...fields, ms: ms(), err: error }, 'call failed');
    throw error;
  }
}
