/** The rows of the comparison with other stores, and what they are held to: a floor for the ratio and an aim above it. */

export interface Goal {
  /** Peer's CPU per operation by ours. */
  readonly cpu?: number;
  /** Our rate by the peer's. */
  readonly rate: number;
}

export interface PeerRow {
  readonly id: string;
  readonly title: string;
  /** As load.sh has it. */
  readonly op: 'put' | 'get' | 'head' | 'delete' | 'list' | 'mixed';
  readonly size: string;
  readonly connections: number;
  /** Objects there before the load; load.sh chooses otherwise. */
  readonly names?: number;
  /** Longer where a single operation takes a good part of a second. */
  readonly timeFactor: number;
  readonly floor: Goal;
  readonly aim: Goal;
}

/** Against OpenStack Swift. Another peer has the same rows, and the floor to be ahead of it. */
export const ROWS: readonly PeerRow[] = [
  row('put-4k', 'PUT 4 KiB', ['put', '4k', 64], [60, 75], [80, 100]),
  row('get-4k', 'GET 4 KiB', ['get', '4k', 64], [30, 45], [35, 55]),
  row('head-4k', 'HEAD', ['head', '4k', 64], [35, 50], [45, 60]),
  row('delete-4k', 'DELETE 4 KiB', ['delete', '4k', 64], [60, 75], [80, 100]),
  row('list', 'LIST 1,000 names as JSON', ['list', '4k', 64], [10, 12], [20]),
  row('mixed-4k', '70 % GET / 30 % PUT 4 KiB', ['mixed', '4k', 64], [45], [60]),
  row('put-64k', 'PUT 64 KiB', ['put', '64k', 64], [12], [30]),
  row('put-1m', 'PUT 1 MiB', ['put', '1m', 16], [5, 6], [7]),
  row('get-1m', 'GET 1 MiB', ['get', '1m', 16], [5, 7], [9]),
  row('put-64m', 'PUT 64 MiB', ['put', '64m', 4], [2], [2.7]),
  { ...row('get-64m', 'GET 64 MiB', ['get', '64m', 4], [2.5], [4]), names: 4 },
];

/** [rate, cpu]. */
type Pair = readonly [rate: number, cpu?: number];

function row(
  id: string,
  title: string,
  [op, size, connections]: readonly [PeerRow['op'], string, number],
  floor: Pair,
  aim: Pair,
): PeerRow {
  const goal = ([rate, cpu]: Pair): Goal => (cpu === undefined ? { rate } : { rate, cpu });
  const timeFactor = size === '64m' ? 2 : 1;
  return {
    id,
    title: `${title}, ${connections}`,
    op,
    size,
    connections,
    timeFactor,
    floor: goal(floor),
    aim: goal(aim),
  };
}

/** `ids` empty: all of them. */
export function chooseRows(ids: readonly string[]): readonly PeerRow[] {
  const unknown = ids.filter((id) => !ROWS.some((one) => one.id === id));
  if (unknown.length > 0)
    throw new Error(`no row ${unknown.join(', ')}; there are ${ROWS.map(({ id }) => id).join(', ')}`);
  return ids.length === 0 ? ROWS : ROWS.filter(({ id }) => ids.includes(id));
}
