/** What fio's latency log tells of a guest: lines of milliseconds, nanoseconds and more. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The longest write, in ms, that ended in each span. */
export function longest(log: string, spans: readonly Span[]): number[] {
  const worst = spans.map(() => 0);
  for (const line of log.split('\n')) {
    const [atMs = 0, latencyNs = 0] = line.split(',').map(Number);
    spans.forEach((span, i) => {
      if (atMs >= span.fromMs && atMs <= span.toMs) worst[i] = Math.max(worst[i] ?? 0, latencyNs / 1e6);
    });
  }
  return worst;
}
