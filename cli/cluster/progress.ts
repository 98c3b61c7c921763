/** Progress of a start for a person who waits: one line a step, replay in tens of per cent. Never on stdout. */
export interface StartProgress {
  say(text: string): void;
  readonly replay: (device: string, doneBytes: number, totalBytes: number) => void;
}

export function showProgress(out: { write(text: string): unknown }): StartProgress {
  const shown = new Map<string, number>();
  return {
    say: (text) => void out.write(`${text}\n`),
    replay(device, doneBytes, totalBytes) {
      if (totalBytes === 0) return;
      const tenth = Math.floor((doneBytes / totalBytes) * 10);
      if (tenth <= (shown.get(device) ?? -1)) return;
      shown.set(device, tenth);
      out.write(`recovering ${device}: ${tenth * 10} % of ${Math.ceil(totalBytes / 1048576)} MiB of log\n`);
    },
  };
}
