/** Every bound of the fabric, by name. Tests pass smaller ones; production takes these. */
import { STREAM_WINDOW_BYTES } from './contract.ts';

/** Calls one peer may have unanswered before further ones fail with Overloaded. */
export const CALLS_IN_FLIGHT_MAX = 4096;

export interface RpcLimits {
  readonly callsInFlightMax: number;
  /** Bytes waiting to be written to one connection before calls fail with Overloaded. */
  readonly queuedBytesMax: number;
  /** Bytes of arguments a server holds for the running calls of one connection before it answers Overloaded. */
  readonly heldBytesMax: number;
  /** Raw bytes of one message; larger bodies are streams. */
  readonly messageBytesMax: number;
  readonly streamWindowBytes: number;
  readonly handshakeMs: number;
  /** A silent connection is pinged after this and dropped after three times this. */
  readonly keepaliveMs: number;
  readonly connectMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** Consecutive calls without an answer that open the circuit. */
  readonly breakerFailures: number;
  readonly breakerOpenMinMs: number;
  readonly breakerOpenMaxMs: number;
}

const MIB = 1024 * 1024;

export const RPC_LIMITS: RpcLimits = {
  callsInFlightMax: CALLS_IN_FLIGHT_MAX,
  queuedBytesMax: 64 * MIB,
  heldBytesMax: 128 * MIB,
  messageBytesMax: 16 * MIB,
  streamWindowBytes: STREAM_WINDOW_BYTES,
  handshakeMs: 5000,
  keepaliveMs: 5000,
  connectMs: 3000,
  reconnectMinMs: 10,
  reconnectMaxMs: 1000,
  breakerFailures: 5,
  breakerOpenMinMs: 200,
  breakerOpenMaxMs: 5000,
};

/** Connections of one listener, authenticated or not; further ones are closed at once. */
export const CONNECTIONS_MAX = 1024;
/** Of these, how many may still be shaking hands. */
export const HANDSHAKES_MAX = 128;
