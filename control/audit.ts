/** The audit log's contract: who did what to what, with which result. Written by audit-log.ts; never holds secrets. */
export interface AuditEntry {
  /** ISO with milliseconds. */
  readonly time: string;
  readonly service: string;
  readonly operation: string;
  readonly requestId: string;
  /** Of the service that called, by its header. */
  readonly globalRequestId?: string | undefined;
  readonly userId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly domainId?: string | undefined;
  readonly systemScope?: string | undefined;
  readonly remoteAddress: string;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  readonly status: number;
  /** Fault's code when refused. */
  readonly fault?: string | undefined;
  /** Parameters of the path and what the operation noted. */
  readonly target: Readonly<Record<string, unknown>>;
}

export interface AuditLog {
  /** Never throws and never waits; see `close`. */
  write(entry: AuditEntry): void;
  /** Everything written so far has reached the file. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
