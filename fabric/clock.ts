/**
 * Time as an argument. Production takes `systemClock`; the simulator passes its own, so that one seed replays a cluster.
 * Nothing outside this file (and tests) may read the system's time or set a timer.
 */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in Unix milliseconds; may jump, in both directions. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. A pending timer never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` in the next turn of the event loop, after pending I/O callbacks: for coalescing. */
  nextTurn(run: () => void): void;
  sleep(delayMs: number): Promise<void>;
}

/** Keeps the process alive until cancelled, which timers and sockets of the cluster's own code never do. */
export function stayAlive(): Timer {
  const handle = setInterval(() => {}, 2 ** 30);
  return { cancel: () => clearInterval(handle) };
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  nextTurn: (run) => void setImmediate(run),
  sleep: (delayMs) => new Promise((resolve) => void setTimeout(resolve, delayMs)),
};
