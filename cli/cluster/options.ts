/** What "needletail start" can be told on its command line. The file behind --config may say more (config.ts). */
export const PROCESS_MODELS = ['inline', 'zones'] as const;
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export interface StartOptions {
  /** Directory of everything the cluster stores; made on the first start. */
  readonly data: string;
  readonly host: string;
  /** Every API, health and info. 0 takes a free port. */
  readonly port: number;
  /** S3 alone. 0 takes a free port. */
  readonly s3Port: number;
  /** TOML file; it fills the options that are not in `given`. */
  readonly config?: string;
  /** PEM files; both or neither. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** inline: one process holds all zones. zones: one process for each zone. */
  readonly processes: (typeof PROCESS_MODELS)[number];
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Names of the fields above that the command line set, as opposed to defaults. */
  readonly given: ReadonlySet<string>;
}
