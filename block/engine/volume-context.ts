/** What the steps of a volume's life share: its world, paths and durable state. Decides nothing. */
import type { Random } from '../../fabric/random.ts';
import type { Files } from '../host/files.ts';
import type { EngineEvent } from './contract.ts';
import type { DaemonWorld } from './daemon.ts';
import type { VolumePaths } from './paths.ts';
import type { VolumeState } from './state-format.ts';

export interface EngineWorld extends DaemonWorld {
  readonly files: Files;
  readonly random: Random;
  /** Where TLS fronts of attachments listen: ports first to last of this address. */
  readonly fronts: { readonly host: string; readonly firstPort: number; readonly lastPort: number };
  /** Free space that a reservation for a snapshot must leave to the volumes. */
  readonly headroomBytes: number;
}

export interface VolumeContext {
  readonly world: EngineWorld;
  readonly paths: VolumePaths;
  readonly state: VolumeState;
  /** Durable when it resolves; the new state holds from then on. */
  save(change: Partial<VolumeState>): Promise<void>;
  emit(event: EngineEvent): void;
}
