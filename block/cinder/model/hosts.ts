/**
 * The hosts whose volumes this controller keeps, and the ways to call them. Knows which are up and what room they have, from a
 * short cache; decides nothing about where a volume goes (scheduler.ts).
 */

import type { Clock } from '../../../fabric/clock.ts';
import { Fault, fabricFaults, isFault } from '../../../fabric/errors.ts';
import type { Peer } from '../../../fabric/rpc/contract.ts';
import type { HostStatus, VolumeCalls } from '../../volumes/contract.ts';
import { cinderFaults } from '../refusals.ts';

export interface HostLink {
  readonly peer: Peer;
  /** Availability zone. */
  readonly zone?: string;
  /** `volume_backend_name` in extra specs of types. */
  readonly backendName?: string;
  /** More that extra specs may ask for. */
  readonly capabilities?: Readonly<Record<string, string>>;
}

export interface Pool {
  readonly host: string;
  readonly zone: string;
  readonly backendName: string;
  readonly capabilities: Readonly<Record<string, string>>;
  /** Undefined while the host does not answer. */
  readonly status: HostStatus | undefined;
  readonly seenAtMs: number | undefined;
}

export type CallName = keyof VolumeCalls;

const STATUS_KEPT_MS = 1000;
const STATUS_WAIT_MS = 3000;
/** Of one call: repeating one whose answer was lost is harmless. */
const CALL_MS = 60_000;

export class Hosts {
  readonly #links: ReadonlyMap<string, HostLink>;
  readonly #clock: Clock;
  readonly #zone: string;
  readonly #backendName: string;
  #seen = new Map<string, { readonly status: HostStatus | undefined; readonly atMs: number; readonly upMs?: number }>();
  #asking: Promise<void> | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { links: ReadonlyMap<string, HostLink>; clock: Clock; zone: string; backendName: string }) {
    this.#links = options.links;
    this.#clock = options.clock;
    this.#zone = options.zone;
    this.#backendName = options.backendName;
  }

  get names(): string[] {
    return [...this.#links.keys()];
  }

  has(host: string): boolean {
    return this.#links.has(host);
  }

  zoneOf(host: string): string {
    return this.#links.get(host)?.zone ?? this.#zone;
  }

  get zones(): string[] {
    return [...new Set([this.#zone, ...this.names.map((host) => this.zoneOf(host))])].sort();
  }

  /** `host@backend#pool`, as Cinder's clients know it. */
  fullName(host: string): string {
    const backend = this.#links.get(host)?.backendName ?? this.#backendName;
    return `${host}@${backend}#${backend}`;
  }

  async call<M extends CallName>(
    host: string,
    method: M,
    args: VolumeCalls[M]['args'],
  ): Promise<VolumeCalls[M]['reply']> {
    const link = this.#links.get(host);
    if (link === undefined) throw new Fault(cinderFaults.hostDown, { host }, `Host ${host} is not known.`);
    const reply = await link.peer.call(method, args, { deadlineMs: CALL_MS });
    return reply.value as VolumeCalls[M]['reply'];
  }

  async pools(): Promise<Pool[]> {
    await this.#look();
    return this.names.map((host) => {
      const seen = this.#seen.get(host);
      const { backendName = this.#backendName, capabilities = {} } = this.#links.get(host) as HostLink;
      return { host, zone: this.zoneOf(host), backendName, capabilities, status: seen?.status, seenAtMs: seen?.upMs };
    });
  }

  /** Room is counted by rows as well (scheduler.ts), so what is a second old does no harm. */
  #look(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#askedAtMs < STATUS_KEPT_MS) return this.#asking ?? Promise.resolve();
    this.#askedAtMs = this.#clock.monotonicMs();
    this.#asking = this.#askAll();
    return this.#asking;
  }

  async #askAll(): Promise<void> {
    await Promise.all(
      [...this.#links].map(async ([host, { peer }]) => {
        const status = await this.#ask(peer);
        const atMs = this.#clock.nowMs();
        const upMs = status ? atMs : this.#seen.get(host)?.upMs;
        this.#seen.set(host, { status, atMs, ...(upMs === undefined ? {} : { upMs }) });
      }),
    );
  }

  async #ask(peer: Peer): Promise<HostStatus | undefined> {
    try {
      return (await peer.call('hostStatus', {}, { deadlineMs: STATUS_WAIT_MS })).value as HostStatus;
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  }
}

const PASSING: readonly string[] = [fabricFaults.unreachable, fabricFaults.deadline, fabricFaults.overloaded];

/** The host may answer later; nothing is known about what became of the call. */
export const isPassing = (error: unknown): boolean => isFault(error) && PASSING.includes(error.code);
