/** A body that is pulled across the simulated network, a round trip a piece; it breaks when either side dies. */
import type { ByteStream } from '../../fabric/rpc/contract.ts';
import { aborted, unreachable } from '../../fabric/rpc/faults.ts';
import type { Chance } from './chance.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

interface Ends {
  readonly source: ByteStream;
  /** Whose code makes the bytes. */
  readonly owner: Life;
  readonly reader: Life;
}

export function simStream(
  { scheduler, chance }: { scheduler: Scheduler; chance: Chance },
  { source, owner, reader }: Ends,
): ByteStream {
  let cancelled = false;
  const hop = (run: () => void): void => void scheduler.after(chance.delayMs(0.05, 2), run);
  const brokenWhenOwnerDies = owner.died.then(() => {
    if (!cancelled) throw unreachable(owner.name, 'connection reset');
    return undefined;
  });
  brokenWhenOwnerDies.catch(() => undefined);
  const pull = (): Promise<Uint8Array | undefined> =>
    new Promise((resolve, reject) => {
      const back = (settle: () => void): void =>
        hop(() => {
          if (reader.alive) settle();
        });
      hop(() => {
        if (!owner.alive) return back(() => reject(aborted('the other side is gone')));
        source.next().then(
          (bytes) => back(() => resolve(bytes && Buffer.from(bytes))),
          (error: unknown) => back(() => reject(error)),
        );
      });
    });
  return {
    next: () => (cancelled ? Promise.resolve(undefined) : Promise.race([pull(), brokenWhenOwnerDies])),
    cancel() {
      if (cancelled) return;
      cancelled = true;
      if (owner.alive) hop(() => owner.alive && source.cancel());
    },
  };
}
