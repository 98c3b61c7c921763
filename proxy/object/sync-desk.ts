/** What a change sees of container sync (sync-worker.ts). A container that is not synchronised does not come here. */
import type { ContainerState } from './containers.ts';
import type { ContainerRef } from './contract.ts';

export interface SyncDesk {
  /** Notes the name, durably, and then changes it. */
  around<T>(container: ContainerState, name: string, change: () => Promise<T>): Promise<T>;
  /** Around a change of where the container goes: all it holds goes there. */
  anew<T>(ref: ContainerRef, change: () => Promise<T>): Promise<T>;
}

/** A change of the object `name`, told to whom the container is synchronised with. */
export function synced<T>(
  { sync }: { readonly sync: SyncDesk | undefined },
  container: ContainerState,
  name: string,
  change: () => Promise<T>,
): Promise<T> {
  return sync && container.syncs ? sync.around(container, name, change) : change();
}
