/**
 * The JSON of comparisons with other stores: one entry for each row of each comparison, written again whenever a row is
 * finished, so that an interrupted run keeps what it has and a row can be measured again alone.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Sample } from './peer.ts';
import type { DoorPass } from './s3-cost.ts';

const STATE_VERSION = 1;

export interface PeerPass {
  /** Which of the two was measured first. */
  readonly first: 'peer' | 'ours';
  readonly peer: Sample;
  readonly ours: Sample;
}

/** How a row was measured; `command` as it can be repeated. */
export interface Made {
  readonly date: string;
  readonly machine: string;
  readonly command: string;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly primeSeconds: number;
}

export interface RowResult<Pass> extends Made {
  readonly row: string;
  readonly passes: readonly Pass[];
}

export interface IdleMemory extends Made {
  readonly peerPssMiB: number;
  readonly oursPssMiB: number;
}

/** One peer beside one process model of ours. */
export interface Comparison {
  readonly peer: string;
  readonly processes: string;
  readonly idle?: IdleMemory;
  readonly rows: readonly RowResult<PeerPass>[];
}

/** Our S3 beside our Swift API. */
export interface DoorComparison {
  readonly processes: string;
  readonly rows: readonly RowResult<DoorPass>[];
}

interface State {
  readonly version: typeof STATE_VERSION;
  readonly comparisons: readonly Comparison[];
  readonly doors: readonly DoorComparison[];
}

export class PeersState {
  readonly #file: string;
  #state: State;

  constructor(file: string, fresh: boolean) {
    this.#file = file;
    this.#state = { version: STATE_VERSION, comparisons: [], doors: [] };
    if (fresh || !existsSync(file)) return;
    const found = JSON.parse(readFileSync(file, 'utf8')) as State;
    if (found.version !== STATE_VERSION) throw new Error(`${file} is of version ${found.version}; --fresh replaces it`);
    this.#state = found;
  }

  get comparisons(): readonly Comparison[] {
    return this.#state.comparisons;
  }

  get doors(): readonly DoorComparison[] {
    return this.#state.doors;
  }

  comparison(peer: string, processes: string): Comparison {
    const found = this.comparisons.find((one) => one.peer === peer && one.processes === processes);
    return found ?? { peer, processes, rows: [] };
  }

  door(processes: string): DoorComparison {
    return this.doors.find((one) => one.processes === processes) ?? { processes, rows: [] };
  }

  keepIdle(peer: string, processes: string, idle: IdleMemory): void {
    this.#keepComparison({ ...this.comparison(peer, processes), idle });
  }

  keepRow(peer: string, processes: string, row: RowResult<PeerPass>): void {
    const before = this.comparison(peer, processes);
    this.#keepComparison({ ...before, rows: replaced(before.rows, row) });
  }

  keepDoorRow(processes: string, row: RowResult<DoorPass>): void {
    const comparison = { processes, rows: replaced(this.door(processes).rows, row) };
    const others = this.doors.filter((one) => one.processes !== processes);
    this.#write({ ...this.#state, doors: [...others, comparison] });
  }

  #keepComparison(comparison: Comparison): void {
    const same = (one: Comparison): boolean => one.peer === comparison.peer && one.processes === comparison.processes;
    const comparisons = [...this.comparisons.filter((one) => !same(one)), comparison];
    this.#write({ ...this.#state, comparisons });
  }

  #write(state: State): void {
    this.#state = state;
    mkdirSync(path.dirname(this.#file), { recursive: true });
    const next = `${this.#file}.new`;
    writeFileSync(next, `${JSON.stringify(state, null, 1)}\n`);
    renameSync(next, this.#file);
  }
}

function replaced<Pass>(rows: readonly RowResult<Pass>[], row: RowResult<Pass>): RowResult<Pass>[] {
  return [...rows.filter((one) => one.row !== row.row), row];
}
