/**
 * Structured logs on stderr, a JSON line each; stdout belongs to what people asked for. The only file that imports pino.
 * A line is written at once where the process might end right after it (`sync`).
 */
import pino, { type Logger } from 'pino';
import type { Trace } from './trace.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  /** Fields of every line. */
  readonly base?: Readonly<Record<string, unknown>>;
  /** Write before returning; slower, and nothing is lost when the process is killed. */
  readonly sync?: boolean;
  /** Lines written during a transaction carry its id as `transId`. */
  readonly trace?: Trace | undefined;
}

const STDERR = 2;

export function createLogger({ level, base = {}, sync = false, trace }: LoggerOptions): Logger {
  const options = { level, base, timestamp: pino.stdTimeFunctions.isoTime };
  const destination = pino.destination({ dest: STDERR, sync });
  return trace ? pino({ ...options, mixin: () => idOf(trace) }, destination) : pino(options, destination);
}

function idOf(trace: Trace): object {
  const transId = trace.id();
  return transId === undefined ? {} : { transId };
}
