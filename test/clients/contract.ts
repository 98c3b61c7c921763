/**
 * What the drivers of real clients share: the place a client is pointed at, a client as a list of named steps, and the
 * outcome of a step. A step throws when the client or the server did wrong, and returns a reason when this version of the
 * client cannot do it. Knows no single client; starts nothing.
 */
import type { CredentialsFile } from '../../cli/cluster/credentials.ts';

export interface Place {
  /** As in the table: `HTTP --port`. */
  readonly name: string;
  readonly s3Endpoint: string;
  readonly swiftAuth: string;
  readonly credentials: CredentialsFile;
  /** Whom to trust; undefined over plain HTTP. */
  readonly caFile: string | undefined;
  /** For this client's files only, empty at first. */
  readonly folder: string;
  /** For names of buckets that nobody else uses: lower-case letters, digits and hyphens. */
  readonly tag: string;
}

/** `cloud`: Keystone's and Cinder's. */
export type Api = 's3' | 'swift' | 'cloud';

export type Step = (place: Place) => Promise<string | void>;

export interface RealClient {
  readonly name: string;
  readonly apis: readonly Api[];
  /** The reason to skip it, or false. */
  readonly missing: () => string | false;
  /** Of the installed one, as in the table. */
  readonly version: () => string;
  /** In this order; later ones may use what earlier ones made. */
  readonly steps: Readonly<Record<string, Step>>;
}

export interface Outcome {
  readonly client: string;
  readonly place: string;
  readonly step: string;
  readonly state: 'ok' | 'failed' | 'skipped';
  /** Why not ok. */
  readonly why: string;
  readonly tookMs: number;
}
