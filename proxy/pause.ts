/** Waiting between tries: exponential with jitter, bounded, on the injected clock. */
import type { Cluster } from './cluster.ts';

const RETRY_BASE_MS = 2;
const RETRY_MAX_MS = 250;

export function pause(cluster: Cluster, attempt: number): Promise<void> {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt);
  return cluster.clock.sleep(ceiling / 2 + cluster.random.below(ceiling / 2 + 1));
}
