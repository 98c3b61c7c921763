/** Which of a key's primaries to ask first. Pure; asks nobody. */
import type { Key } from '../object-server/contract.ts';
import type { Cluster, Replica } from './cluster.ts';

/** Calls in flight to one replica from which on the others are weighed against it. */
const CALM_CALLS_MAX = 32;
const DOWN = 1e9;

/** Primaries by readiness: those that are up first, then by load; ring order otherwise, so that caches stay warm. */
export function readOrder(cluster: Cluster, key: Key): readonly Replica[] {
  const primaries = cluster.primaries(key);
  let calm = true;
  for (const { peer } of primaries) if (!peer.up || peer.load.calls > CALM_CALLS_MAX) calm = false;
  if (calm) return primaries;
  const weight = ({ peer }: Replica): number => (peer.up ? 0 : DOWN) + peer.load.latencyMs * (1 + peer.load.calls);
  return [...primaries].sort((a, b) => weight(a) - weight(b));
}
