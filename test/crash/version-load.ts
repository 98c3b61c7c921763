/**
 * Clients in a container with versions: they write, delete (which leaves a marker) and delete versions, each on names of its
 * own, and write down which versions they were told of. What was acknowledged and not deleted since must be there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeededRandom, type Random } from '../../fabric/random.ts';
import type { Answer, Client } from './client.ts';
import { Ledger, stateOf } from './ledger.ts';
import type { LoadCounts } from './load.ts';

export const VERSIONED = 'crash-v';
const NAMES_PER_WORKER = 6;
const PAUSE_AFTER_FAILURE_MS = 50;
/** Out of 100: small and large PUTs, DELETEs, DELETEs of versions; the rest are GETs of versions. */
const MIX = { small: 40, large: 45, remove: 55, removeVersion: 80 } as const;

/** What clients were told of versions, by name and id. */
export class VersionLedger {
  /** What plain requests show. */
  readonly current = new Ledger();
  /** MD5 of the contents. */
  readonly versions = new Map<string, Map<string, string>>();
  /** Deleted for good. */
  readonly gone = new Map<string, Set<string>>();
  /** The newest version or marker, where that is certain. */
  readonly newest = new Map<string, string>();

  made(name: string, id: string, state: string): void {
    this.current.acked(name, state);
    this.#of(name).set(id, state);
    this.newest.set(name, id);
  }

  marked(name: string): void {
    this.current.acked(name, undefined);
    this.newest.delete(name);
  }

  /** The request failed, or was never answered. */
  failed(name: string, state: string | undefined): void {
    this.current.failed(name, state);
    this.newest.delete(name);
  }

  removed(name: string, id: string): void {
    this.#of(name).delete(id);
    const gone = this.gone.get(name) ?? new Set<string>();
    this.gone.set(name, gone.add(id));
    if (this.newest.get(name) === id) this.marked(name);
  }

  /** Nobody knows whether it is deleted. */
  maybeRemoved(name: string, id: string): void {
    this.#of(name).delete(id);
    if (this.newest.get(name) === id) this.failed(name, undefined);
  }

  known(name: string): readonly string[] {
    return [...this.#of(name).keys()];
  }

  #of(name: string): Map<string, string> {
    const known = this.versions.get(name) ?? new Map<string, string>();
    this.versions.set(name, known);
    return known;
  }
}

export interface VersionLoadOptions {
  readonly client: Client;
  readonly ledger: VersionLedger;
  readonly counts: LoadCounts;
  readonly seed: number;
  readonly workers: number;
}

export class VersionLoad {
  readonly #options: VersionLoadOptions;
  #stopping = false;
  #running: Promise<void>[] = [];

  constructor(options: VersionLoadOptions) {
    this.#options = options;
  }

  start(): void {
    const { workers, seed } = this.#options;
    this.#running = Array.from({ length: workers }, (_, worker) =>
      this.#work(worker, createSeededRandom(seed * 1000 + 500 + worker)),
    );
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #work(worker: number, random: Random): Promise<void> {
    const { ledger } = this.#options;
    while (!this.#stopping) {
      const name = `${VERSIONED}/w${worker}-${random.below(NAMES_PER_WORKER)}`;
      const dice = random.below(100);
      const known = ledger.known(name);
      const id = known[random.below(Math.max(1, known.length))];
      if (dice < MIX.large || id === undefined)
        await this.#put(name, random.bytes(dice < MIX.small ? 8 + random.below(4_000) : 70_000 + random.below(90_000)));
      else if (dice < MIX.remove) await this.#remove(name);
      else if (dice >= MIX.removeVersion) await this.#get(name, id);
      // Which one is the newest must be known, to know what its deletion leaves.
      else if (!ledger.current.isDoubtful(name)) await this.#removeVersion(name, id);
    }
  }

  async #put(name: string, body: Buffer): Promise<void> {
    const { ledger } = this.#options;
    const answer = await this.#ask('PUT', name, body);
    const id = answer?.headers['x-object-version-id'];
    if (answer?.status !== 201 || typeof id !== 'string') return ledger.failed(name, stateOf(body));
    this.#acked();
    ledger.made(name, id, stateOf(body));
  }

  async #remove(name: string): Promise<void> {
    const { ledger } = this.#options;
    const answer = await this.#ask('DELETE', name);
    if (answer?.status !== 204 && answer?.status !== 404) return ledger.failed(name, undefined);
    this.#acked();
    ledger.marked(name);
  }

  async #removeVersion(name: string, id: string): Promise<void> {
    const { ledger, counts } = this.#options;
    const answer = await this.#ask('DELETE', `${name}?version-id=${id}`);
    if (answer?.status === 404) counts.wrong.push(`DELETE ${name} ${id}: 404, but it was acknowledged`);
    if (answer?.status !== 204) return ledger.maybeRemoved(name, id);
    this.#acked();
    ledger.removed(name, id);
  }

  async #get(name: string, id: string): Promise<void> {
    const { ledger, counts } = this.#options;
    const answer = await this.#ask('GET', `${name}?version-id=${id}`);
    if (answer === undefined) return;
    const state = answer.status === 200 ? stateOf(answer.body) : `status ${answer.status}`;
    const expected = ledger.versions.get(name)?.get(id);
    if (state !== expected) counts.wrong.push(`GET ${name} ${id}: ${state}, expected ${expected}`);
  }

  #acked(): void {
    this.#options.counts.acked++;
  }

  async #ask(method: string, place: string, body?: Buffer): Promise<Answer | undefined> {
    const { client, counts } = this.#options;
    let failure: string;
    try {
      const answer = await client.ask(method, `/${place}`, body);
      if (answer.status < 500) return answer;
      failure = `${method} version ${answer.status}`;
    } catch (error) {
      failure = `${method} version ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    }
    counts.failed++;
    counts.failures.set(failure, (counts.failures.get(failure) ?? 0) + 1);
    await sleep(PAUSE_AFTER_FAILURE_MS);
    return undefined;
  }
}
