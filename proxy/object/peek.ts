/** Metadata for decisions that come before anybody is authorised; the caller must not show it. */
import type { ContainerRef, Store } from './contract.ts';
import type { Engine } from './engine.ts';
import { versioningOf } from './version-format.ts';

const NOTHING = Object.freeze({});

export async function peek(engine: Engine, ref: ContainerRef): ReturnType<Store['peek']> {
  const [account, container] = await Promise.all([
    engine.recentAccounts.find(ref.account),
    ref.container === '' ? undefined : engine.containers.find(ref),
  ]);
  return {
    account: account?.record.metadata ?? NOTHING,
    container: container?.record.metadata,
    s3: container?.record.s3,
    versioning: container && versioningOf(container),
  };
}
