/**
 * Rounds of load, kill -9, recovery and checking against one data directory. A round's findings are in its report; the
 * campaign itself fails only when the cluster cannot be driven at all.
 */
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeededRandom, type Random } from '../../fabric/random.ts';
import { checkStore, type Findings } from './check.ts';
import { Client } from './client.ts';
import { type FsckResult, runFsck } from './fsck.ts';
import { Ledger } from './ledger.ts';
import { CONTAINERS, Load, type LoadCounts, newCounts } from './load.ts';
import { untilQuiet } from './quiet.ts';
import { CrashServer } from './server.ts';
import { checkVersions } from './version-check.ts';
import { VERSIONED, VersionLedger, VersionLoad } from './version-load.ts';

/** zone: one zone after the other, each back before the next. all: everything at once. main: only the parent. */
export const MODES = ['zone', 'all', 'main', 'mixed'] as const;
export type Mode = (typeof MODES)[number];
type RoundMode = Exclude<Mode, 'mixed'>;

const WORKERS = 10;
/** In the container with versions. */
const VERSION_WORKERS = 3;
const RECOVERY_LIMIT_MS = 120_000;
const QUIET_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 20;
const QUIET_BETWEEN_KILLS_MS = 300;
/** The metrics page shows devices as they were up to a second ago. */
const STATUS_KEPT_MS = 1_100;

export interface CampaignOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly mode: Mode;
  /** Keep the data directory even when nothing was found. */
  readonly keep?: boolean;
  readonly report: (line: string) => void;
}

export interface RoundReport extends Findings {
  readonly round: number;
  readonly mode: RoundMode;
  readonly kills: number;
  readonly acked: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Wrong answers to reads and listings during the load. */
  readonly wrongAnswers: readonly string[];
  /** Longest time from a kill to everything being back. */
  readonly recoverySeconds: number;
  readonly fsck?: FsckResult;
}

export interface CampaignReport {
  readonly rounds: readonly RoundReport[];
  readonly directory: string;
  /** Debts that the cluster did not pay though it was left alone. */
  readonly owed: readonly string[];
  /** Of a cluster that owed nothing and stopped in good order: all must be at target. */
  readonly fsck: FsckResult;
  readonly cleanExit: boolean;
}

/** A directory for a cluster and its log, removed unless there is something to look at. */
export class Bench {
  readonly root = mkdtempSync(path.join(tmpdir(), 'needletail-crash-'));
  readonly data = path.join(this.root, 'data');
  readonly logFile = path.join(this.root, 'cluster.log');

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const bench = new Bench();
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'zones' });
  const campaign = new Campaign(options, bench, server);
  let clean = false;
  try {
    const report = await campaign.run();
    clean = isWhole(report);
    return report;
  } finally {
    campaign.close();
    await server.killAll();
    if (clean && !options.keep) bench.remove();
    else options.report(`kept: ${bench.root}`);
  }
}

export function isWhole({ rounds, owed, fsck, cleanExit }: CampaignReport): boolean {
  return rounds.every(isClean) && owed.length === 0 && fsck.exitCode === 0 && cleanExit;
}

export function isClean({ lost, wrongRows, wrongAnswers, fsck }: RoundReport): boolean {
  return lost.length + wrongRows.length + wrongAnswers.length === 0 && (fsck?.exitCode ?? 0) < 2;
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #bench: Bench;
  readonly #server: CrashServer;
  readonly #client: Client;
  readonly #random: Random;
  readonly #ledger = new Ledger();
  readonly #versions = new VersionLedger();

  constructor(options: CampaignOptions, bench: Bench, server: CrashServer) {
    this.#options = options;
    this.#bench = bench;
    this.#server = server;
    this.#client = new Client(bench.data);
    this.#random = createSeededRandom(options.seed);
  }

  close(): void {
    this.#client.close();
  }

  async run(): Promise<CampaignReport> {
    await this.#server.start();
    await prepare(this.#client, this.#server.url);
    await this.#client.askWith('PUT', `/${VERSIONED}`, { 'X-Versions-Enabled': 'true' });
    const rounds: RoundReport[] = [];
    for (let round = 1; round <= this.#options.rounds; round++) {
      const report = await this.#round(round);
      rounds.push(report);
      this.#options.report(roundLine(report));
    }
    const owed = await untilQuiet(this.#client, QUIET_LIMIT_MS);
    const cleanExit = (await this.#server.stop()) === 0;
    return { rounds, directory: this.#bench.data, owed, fsck: runFsck(this.#bench.data), cleanExit };
  }

  async #round(round: number): Promise<RoundReport> {
    const mode = this.#modeOf(round);
    const counts = newCounts();
    appendFileSync(this.#bench.logFile, `--- round ${round}, ${mode}\n`);
    const seed = this.#options.seed * 1000 + round;
    const loads = { client: this.#client, counts, seed };
    const load = new Load({ ...loads, ledger: this.#ledger, workers: WORKERS });
    const versionLoad = new VersionLoad({ ...loads, ledger: this.#versions, workers: VERSION_WORKERS });
    load.start();
    versionLoad.start();
    const stopLoads = async (): Promise<void> => void (await Promise.all([load.stop(), versionLoad.stop()]));
    let kills = 1;
    let recoverySeconds = 0;
    let fsck: FsckResult | undefined;
    if (mode === 'zone') {
      ({ kills, recoverySeconds } = await this.#killZones());
      await stopLoads();
    } else {
      await sleep(this.#options.seconds * 1000 * (0.5 + this.#random.below(500) / 1000));
      await (mode === 'all' ? this.#server.killAll() : this.#server.killMain());
      await stopLoads();
      // Disks as the crash left them.
      if (mode === 'all') fsck = runFsck(this.#bench.data);
      if (fsck && fsck.exitCode > 1) cpSync(this.#bench.data, `${this.#bench.data}-${round}`, { recursive: true });
      recoverySeconds = await this.#server.start();
      await this.#client.login(this.#server.url);
    }
    const findings = await this.#check();
    return { ...findings, ...summary(counts), round, mode, kills, recoverySeconds, ...(fsck ? { fsck } : {}) };
  }

  async #check(): Promise<Findings> {
    const plain = await checkStore(this.#client, this.#ledger);
    const current = await checkStore(this.#client, this.#versions.current, [VERSIONED]);
    const versions = await checkVersions(this.#client, this.#versions);
    return {
      lost: [...plain.lost, ...current.lost, ...versions.lost],
      wrongRows: [...plain.wrongRows, ...current.wrongRows, ...versions.wrongRows],
      checked: plain.checked + current.checked,
      settleSeconds: Math.max(plain.settleSeconds, current.settleSeconds),
    };
  }

  #modeOf(round: number): RoundMode {
    const { mode } = this.#options;
    return mode === 'mixed' ? ((['zone', 'all', 'zone', 'main'] as const)[(round - 1) % 4] ?? 'zone') : mode;
  }

  /** One zone after the other, each back before the next is killed, until the round's time is up. */
  async #killZones(): Promise<{ kills: number; recoverySeconds: number }> {
    const endMs = performance.now() + this.#options.seconds * 1000;
    let kills = 0;
    let recoverySeconds = 0;
    while (performance.now() < endMs) {
      await sleep(QUIET_BETWEEN_KILLS_MS + this.#random.below(700));
      const zones = Object.keys(this.#server.pids.zones);
      const zone = zones[this.#random.below(zones.length)] as string;
      const killedMs = performance.now();
      const pid = this.#server.killZone(zone);
      kills++;
      await untilBack(this.#client, () => this.#server.pids.zones[zone] !== pid);
      recoverySeconds = Math.max(recoverySeconds, (performance.now() - killedMs) / 1000);
    }
    return { kills, recoverySeconds };
  }
}

function summary(counts: LoadCounts) {
  const { acked, failed, failures, wrong } = counts;
  return { acked, failed, failures: Object.fromEntries(failures), wrongAnswers: wrong };
}

export async function prepare(client: Client, url: string): Promise<void> {
  await client.login(url);
  for (const container of CONTAINERS) {
    const { status } = await client.ask('PUT', `/${container}`);
    if (status !== 201 && status !== 202) throw new Error(`PUT ${container}: ${status}`);
  }
}

/** Until there is a new process, it can be called, and what it says of its device is not of a time before. */
async function untilBack(client: Client, isNew: () => boolean): Promise<void> {
  const limit = performance.now() + RECOVERY_LIMIT_MS;
  let calledMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const nowMs = performance.now();
    if (nowMs > limit) throw new Error('the zone does not come back');
    await sleep(LOOK_EVERY_MS);
    if (!isNew()) continue;
    const text = await client.metrics();
    const peers = text.match(/^needletail_peer_up\{.*\} [01]$/gm) ?? [];
    if (peers.length === 0 || peers.some((line) => line.endsWith('0'))) continue;
    calledMs = Math.min(calledMs, nowMs);
    const devices = text.match(/^needletail_device_state\{.*state="up"\} 1$/gm) ?? [];
    if (devices.length >= peers.length && nowMs - calledMs >= STATUS_KEPT_MS) return;
  }
}

function roundLine(r: RoundReport): string {
  const failures = Object.entries(r.failures).map(([what, count]) => `${what} ×${count}`);
  return [
    `round ${r.round} ${r.mode}: ${r.kills} kills, ${r.acked} acked, ${r.failed} failed`,
    ...(failures.length > 0 ? [`(${failures.join(', ')})`] : []),
    `lost ${r.lost.length}, wrong rows ${r.wrongRows.length}, wrong answers ${r.wrongAnswers.length},`,
    `recovery ${r.recoverySeconds.toFixed(2)} s, settled in ${r.settleSeconds.toFixed(1)} s`,
    ...(r.fsck ? [`fsck ${r.fsck.summary}`] : []),
    ...[...r.lost, ...r.wrongRows, ...r.wrongAnswers].slice(0, 10).map((finding) => `\n    ${finding}`),
  ].join(' ');
}
