/**
 * Clients that write, read, delete and list until told to stop, each on names of its own, and write down what they were
 * told. Every read is judged at once: a wrong answer is a finding, whoever was killed meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeededRandom, type Random } from '../../fabric/random.ts';
import type { Answer, Client } from './client.ts';
import { type Ledger, stateOf } from './ledger.ts';

export const CONTAINERS = ['crash-a', 'crash-b', 'crash-c'] as const;
const NAMES_PER_WORKER = 30;
const PAUSE_AFTER_FAILURE_MS = 50;
const MIB = 1024 * 1024;
const LISTING_MAX = 10_000;

/** Out of 100: small, middling and multi-chunk PUTs, DELETEs, GETs; the rest are listings. */
const MIX = { small: 42, middling: 50, large: 54, remove: 72, get: 92 } as const;

export interface LoadCounts {
  acked: number;
  failed: number;
  /** Failures by status or error. */
  readonly failures: Map<string, number>;
  /** Wrong answers, in words. */
  readonly wrong: string[];
  /** Shortest time of an acknowledged write, and of a read that found something. */
  quickestWriteMs: number;
  quickestReadMs: number;
}

export const newCounts = (): LoadCounts => ({
  acked: 0,
  failed: 0,
  failures: new Map(),
  wrong: [],
  quickestWriteMs: Number.POSITIVE_INFINITY,
  quickestReadMs: Number.POSITIVE_INFINITY,
});

export interface LoadOptions {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly counts: LoadCounts;
  readonly seed: number;
  readonly workers: number;
}

export class Load {
  readonly #options: LoadOptions;
  #stopping = false;
  #running: Promise<void>[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  start(): void {
    const { workers, seed } = this.#options;
    this.#running = Array.from({ length: workers }, (_, worker) =>
      this.#work(worker, createSeededRandom(seed * 1000 + worker)),
    );
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #work(worker: number, random: Random): Promise<void> {
    while (!this.#stopping) {
      const container = CONTAINERS[worker % CONTAINERS.length] as string;
      const prefix = `w${String(worker).padStart(3, '0')}-`;
      const name = `${container}/${prefix}${random.below(NAMES_PER_WORKER)}`;
      const dice = random.below(100);
      if (dice < MIX.large) await this.#put(name, bodyOf(dice, random));
      else if (dice < MIX.remove) await this.#remove(name);
      else if (dice < MIX.get) await this.#get(name);
      else await this.#list(container, prefix);
    }
  }

  async #put(name: string, body: Buffer): Promise<void> {
    const state = stateOf(body);
    const answer = await this.#ask('PUT', name, body);
    if (answer?.status !== 201) return this.#options.ledger.failed(name, state);
    if (answer.headers['etag'] !== state) this.#options.counts.wrong.push(`PUT ${name}: wrong ETag`);
    this.#acked(name, state, answer);
  }

  async #remove(name: string): Promise<void> {
    const { ledger, counts } = this.#options;
    const answer = await this.#ask('DELETE', name);
    if (answer?.status === 204) return this.#acked(name, undefined, answer);
    if (answer?.status !== 404) return ledger.failed(name, undefined);
    if (!ledger.allows(name, undefined))
      counts.wrong.push(`DELETE ${name}: 404, but it holds ${ledger.expected(name)}`);
    ledger.saw(name, undefined);
  }

  async #get(name: string): Promise<void> {
    const { ledger, counts } = this.#options;
    const answer = await this.#ask('GET', name);
    if (answer?.status !== 200 && answer?.status !== 404) return;
    const state = answer.status === 200 ? stateOf(answer.body) : undefined;
    if (state !== undefined) counts.quickestReadMs = Math.min(counts.quickestReadMs, answer.ms);
    if (!ledger.allows(name, state)) {
      counts.wrong.push(`GET ${name}: ${state ?? 'absent'}, expected ${ledger.expected(name)}`);
    }
    ledger.saw(name, state);
  }

  async #list(container: string, prefix: string): Promise<void> {
    const { ledger, counts } = this.#options;
    const answer = await this.#ask('GET', `${container}?format=json&limit=${LISTING_MAX}&prefix=${prefix}`);
    if (answer?.status !== 200) return;
    const rows = rowsOf(container, answer.body);
    for (let i = 0; i < NAMES_PER_WORKER; i++) {
      const name = `${container}/${prefix}${i}`;
      if (ledger.allows(name, rows.get(name))) continue;
      counts.wrong.push(`LIST ${name}: ${rows.get(name) ?? 'absent'}, expected ${ledger.expected(name)}`);
    }
  }

  #acked(name: string, state: string | undefined, { ms }: Answer): void {
    const { ledger, counts } = this.#options;
    ledger.acked(name, state);
    counts.acked++;
    counts.quickestWriteMs = Math.min(counts.quickestWriteMs, ms);
  }

  async #ask(method: string, place: string, body?: Buffer): Promise<Answer | undefined> {
    const { client, counts } = this.#options;
    let failure: string;
    try {
      const answer = await client.ask(method, `/${place}`, body);
      if (answer.status < 500) return answer;
      failure = `${method} ${answer.status}`;
    } catch (error) {
      failure = `${method} ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    }
    counts.failed++;
    counts.failures.set(failure, (counts.failures.get(failure) ?? 0) + 1);
    await sleep(PAUSE_AFTER_FAILURE_MS);
    return undefined;
  }
}

/** Name and contents' MD5 of every row of a JSON listing. */
export function rowsOf(container: string, body: Buffer): Map<string, string> {
  const rows = JSON.parse(body.toString()) as { name: string; hash: string }[];
  return new Map(rows.map(({ name, hash }) => [`${container}/${name}`, hash]));
}

/** Bodies are cut from one block and made different by their first bytes: drawing every byte would load the client. */
const BLOCK = createSeededRandom(1).bytes(4 * MIB);
const OWN_BYTES = 8;

function bodyOf(dice: number, random: Random): Buffer {
  const at = random.below(MIB);
  const body = Buffer.from(BLOCK.subarray(at, at + lengthOf(dice, random)));
  random.bytes(OWN_BYTES).copy(body);
  return body;
}

function lengthOf(dice: number, random: Random): number {
  if (dice < MIX.small) return 1 + random.below(8192);
  return dice < MIX.middling ? 60_000 + random.below(200_000) : 3 * MIB;
}
