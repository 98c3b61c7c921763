/** What a repository takes of the world. */
import type { Clock } from '../../fabric/clock.ts';
import type { Random } from '../../fabric/random.ts';
import type { Codec } from './chunk-format.ts';
import type { ObjectClient } from './object-client.ts';
import type { Sealer } from './sealer.ts';

export interface World {
  readonly client: ObjectClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly sealer: Sealer;
  /** How new chunks are packed where it pays. */
  readonly codec: Codec;
  /** Leaves between two notes of an upload's progress. */
  readonly checkpointLeaves?: number;
}
