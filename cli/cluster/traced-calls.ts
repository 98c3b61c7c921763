/**
 * At log level debug, a transaction's id travels from the proxy to the zones as one more field of a call's arguments
 * (`trans`, which no handler reads), and both ends write a line a call. At other levels none of this is in the way.
 */
import type { Clock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import type { Logger } from '../../fabric/logger.ts';
import type { CallContext, Handler, Handlers, Peer, Reply } from '../../fabric/rpc/contract.ts';
import type { Trace } from '../../fabric/trace.ts';

interface TracedArgs {
  readonly device?: number;
  readonly trans?: string;
}

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
      const trans = trace.id();
      return peer.call(method, trans === undefined ? args : { ...(args as object), trans }, options);
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
export function traceHandlers(handlers: Handlers, log: Logger, clock: Clock): Handlers {
  const entries = Object.entries(handlers).map(([method, handler]) => {
    const call = handler as (args: TracedArgs, context: CallContext) => Promise<Reply> | Reply;
    const traced = async (args: TracedArgs, context: CallContext): Promise<Reply> => {
      const startMs = clock.monotonicMs();
      const fields = { trans: args.trans, method, device: args.device, from: context.peerName };
      const ms = (): number => Math.round((clock.monotonicMs() - startMs) * 1000) / 1000;
      try {
        const reply = await call(args, context);
        log.debug({ ...fields, ms: ms() }, 'call');
        return reply;
      } catch (error) {
        if (isFault(error)) log.debug({ ...fields, ms: ms(), fault: error.code }, 'call refused');
        else log.error({ ...fields, ms: ms(), err: error }, 'call failed');
        throw error;
      }
    };
    return [method, traced as Handler] as const;
  });
  return Object.fromEntries(entries);
}
