/** The calls of block/volumes/contract.ts over the fabric. Translates, decides nothing. */
import type { Handlers } from '../../fabric/rpc/contract.ts';
import type { VolumeCalls } from './contract.ts';
import type { VolumeManager } from './manager.ts';

type Serve<M extends keyof VolumeCalls> = (args: VolumeCalls[M]['args']) => Promise<VolumeCalls[M]['reply'] | void>;

export function createVolumeService(manager: VolumeManager): Handlers {
  const calls: { readonly [M in keyof VolumeCalls]: Serve<M> } = {
    createVolume: (args) => manager.createVolume(args),
    volumes: () => manager.volumes(),
    volume: ({ id }) => manager.volume(id),
    moveVolume: ({ id, lineage }) => manager.moveVolume(id, lineage),
    renameVolume: ({ id, name }) => manager.renameVolume(id, name),
    deleteVolume: ({ id, force = false }) => manager.deleteVolume(id, force),
    extendVolume: ({ id, sizeBytes }) => manager.extendVolume(id, sizeBytes),
    limitVolume: ({ id, limits }) => manager.limitVolume(id, limits),
    attachVolume: (args) => manager.attachVolume(args),
    detachVolume: ({ id, attachment }) => manager.detachVolume(id, attachment),
    revertVolume: ({ id, snapshot }) => manager.revertVolume(id, snapshot),
    takeSnapshot: (args) => manager.takeSnapshot(args),
    snapshots: (args) => manager.snapshots.list(args),
    snapshot: (place) => manager.snapshots.show(place),
    pauseSnapshot: ({ paused, ...place }) => manager.snapshots.pause(place, paused),
    cancelSnapshot: (place) => manager.snapshots.cancel(place),
    deleteSnapshot: (place) => manager.snapshots.delete(place),
    checkSnapshot: (place) => manager.snapshots.check(place),
    exportSnapshot: (place) => manager.snapshots.export(place),
    unexportSnapshot: (place) => manager.snapshots.unexport(place),
    findBackups: (args) => manager.imports.find(args),
    importBackup: (args) => manager.imports.begin(args),
    hostStatus: () => manager.hostStatus(),
  };
  const handlers: Record<string, Handlers[string]> = {};
  for (const [name, call] of Object.entries(calls)) {
    handlers[name] = async (args: never) => ({ value: (await call(args)) ?? {} });
  }
  return handlers;
}
