/**
 * Expected failures. A `Fault` carries a code from a closed table of the service that throws it; each API turns codes
 * into its own statuses and bodies in exactly one file. Bugs are not Faults: they fail an `assert` and crash.
 * A Fault survives the RPC fabric: code, message and details are plain data.
 */
export class Fault extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, details: Readonly<Record<string, unknown>> = {}, message: string = code) {
    super(message);
    this.name = 'Fault';
    this.code = code;
    this.details = details;
  }
}

/** Faults of the fabric itself; every service may meet them. */
export const fabricFaults = {
  /** The peer cannot be reached, or its circuit is open. Nothing is known about what it did with the call. */
  unreachable: 'Unreachable',
  /** The call's deadline passed before the answer came. Nothing is known about what the peer did. */
  deadline: 'DeadlineExceeded',
  /** A bounded queue is full: try again later (503 with Retry-After at the edge). */
  overloaded: 'Overloaded',
  /** The peer speaks no common protocol version, or its cluster secret is wrong. */
  handshake: 'HandshakeFailed',
  /** The other side threw something that was not a Fault. */
  internal: 'InternalError',
  /** The caller went away. */
  aborted: 'Aborted',
} as const;

export function isFault(error: unknown, code?: string): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
