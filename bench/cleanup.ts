/** What must be undone however a run ends: servers to stop, directories to remove. The latest first, each once. */
import process from 'node:process';

const pending: (() => Promise<void>)[] = [];

/** Returns the same action, to be called when it is time; it runs at most once. */
export function onEnd(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  const once = (): Promise<void> => {
    const at = pending.indexOf(once);
    if (at >= 0) pending.splice(at, 1);
    done ??= action();
    return done;
  };
  pending.push(once);
  return once;
}

export async function cleanUp(): Promise<void> {
  for (let action = pending.at(-1); action; action = pending.at(-1)) {
    await action().catch((error: unknown) => console.error(error));
  }
}

/** An interrupted run cleans up as well. */
export function cleanUpOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
  }
}
