/**
 * Structured logs on stderr, a JSON line each; stdout belongs to what people asked for. The only file that imports pino.
 * A line is written at once where the process might end right after it (`sync`).
 */
import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  /** Fields of every line. */
  readonly base?: Readonly<Record<string, unknown>>;
  /** Write before returning; slower, and nothing is lost when the process is killed. */
  readonly sync?: boolean;
}

const STDERR = 2;

export function createLogger({ level, base = {}, sync = false }: LoggerOptions): Logger {
  return pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: STDERR, sync }));
}
