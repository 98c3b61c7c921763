/** What a process sees of its identity, whether it is its own (identity-service.ts) or another one's (identity-link.ts). */
import type { CatalogEntry } from '../../compute/identity/bootstrap.ts';
import type { RunningVerifier } from '../../compute/identity/verifier.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';

/** The call by which other processes tell identity of their endpoints. */
export const ANNOUNCE = 'identity.announce';

export interface Announcement {
  readonly endpoints: readonly CatalogEntry[];
}

/** The identity of this process: its own, or another one's over a link. */
export interface ClusterIdentityService {
  readonly verifier: RunningVerifier;
  /** Absent where identity is another process's. */
  readonly handler: HttpHandler | undefined;
  /** Where clients log in, when this process is reached at `url`. */
  authUrl(url: string): string;
  /** Our endpoints, once it is known where clients reach us. Makes what is missing. */
  publish(endpoints: readonly CatalogEntry[]): Promise<void>;
  stop(): Promise<void>;
}
