/** Everything a file of comparisons holds, as the sections of docs/benchmarks.md that are named after it. */
import { number } from '../report.ts';
import { ROWS } from './rows.ts';
import { DOOR_ROWS } from './s3-cost.ts';
import type { Comparison, DoorComparison, Made, PeersState } from './state-format.ts';
import { doorTable, median, peerTable } from './tables.ts';

const IDLE_MIB_MAX = 250;

/** By the name of the marker: `swift`, `rgw`, `s3`, with `-zones` behind it for one process a zone. */
export function sectionsOf(state: PeersState): Record<string, string> {
  const sections: Record<string, string> = {};
  for (const one of state.comparisons) sections[named(one.peer, one.processes)] = peerSection(one);
  for (const one of state.doors) {
    const swift = state.comparison('swift', one.processes);
    sections[named('s3', one.processes)] = doorSection(one, swift);
  }
  return sections;
}

function named(what: string, processes: string): string {
  return processes === 'inline' ? what : `${what}-${processes}`;
}

function peerSection({ peer, processes, idle, rows }: Comparison): string {
  const parts = [madeText(rows, processes), peerTable(peer, ROWS, rows, peer === 'swift')];
  if (idle !== undefined) {
    const { peerPssMiB, oursPssMiB } = idle;
    const goal = `to be at most ${IDLE_MIB_MAX} MiB: ${oursPssMiB <= IDLE_MIB_MAX ? 'yes' : 'no'}`;
    parts.push(
      `Memory when idle after a start (PSS, all processes): ${peer} ${peerPssMiB.toFixed(0)} MiB, ours ${oursPssMiB.toFixed(0)} MiB (${goal}).`,
    );
  }
  return parts.join('\n\n');
}

function doorSection({ processes, rows }: DoorComparison, swift: Comparison): string {
  const cpu = new Map<string, number>();
  for (const { row, passes } of swift.rows) {
    const good = passes.filter(({ peer }) => peer.errors === 0 && peer.cpuUsPerOp !== undefined);
    if (good.length > 0) cpu.set(row, median(good.map(({ peer }) => peer.cpuUsPerOp ?? Number.NaN)));
  }
  return [madeText(rows, processes), doorTable(DOOR_ROWS, rows, cpu)].join('\n\n');
}

/** Rows may come from several runs: each way of measuring is told once. */
function madeText(rows: readonly (Made & { row: string; passes: readonly unknown[] })[], processes: string): string {
  const machines = new Set(rows.map(({ machine }) => machine));
  const ways = new Map<string, string[]>();
  for (const { command, date, seconds, warmupSeconds, primeSeconds, passes, row } of rows) {
    const way = `${passes.length} passes of ${number(seconds)} s a row after ${number(warmupSeconds)} s of the same and ${number(primeSeconds)} s of mixed requests at the start of each store, by \`${command}\` on ${date.slice(0, 10)}`;
    ways.set(way, [...(ways.get(way) ?? []), row]);
  }
  const told = [...ways].map(([way, ids]) => (ways.size === 1 ? way : `${ids.join(', ')}: ${way}`));
  return `${[...machines].join('; ')}. Our cluster \`--processes ${processes}\`. ${told.join('; ')}.`;
}
