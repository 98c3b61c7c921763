/**
 * The connections of one client: as many as were asked for where the server allows several, one otherwise. Replaces broken
 * ones when reconnection is on; a server that comes back with another export than before is refused.
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { ClientConnection, type ConnectionOptions } from './client-connection.ts';
import { type NbdExportInfo, nbdFaults } from './contract.ts';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;

interface PoolOptions {
  readonly connection: ConnectionOptions;
  readonly connections: number;
  /** 0: never. */
  readonly reconnectMs: number;
  readonly clock: Clock;
}

export class ClientPool {
  readonly export: NbdExportInfo;
  readonly #options: PoolOptions;
  readonly #wanted: number;
  #alive: ClientConnection[] = [];
  #reviving: Promise<ClientConnection> | undefined;
  /** The first failure that left no connection. */
  #failure: Fault | undefined;
  #opening = 0;
  #closed = false;

  private constructor(options: PoolOptions, first: ClientConnection) {
    this.#options = options;
    this.export = first.agreed.export;
    this.#wanted = this.export.canMultiConnect ? options.connections : 1;
    this.#add(first);
  }

  static async open(options: PoolOptions): Promise<ClientPool> {
    const first = await ClientConnection.open(options.connection);
    const pool = new ClientPool(options, first);
    try {
      await pool.#fill();
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  get size(): number {
    return this.#alive.length;
  }

  get reconnects(): boolean {
    return this.#options.reconnectMs > 0 && !this.#closed;
  }

  /** The one with the least to do. */
  best(): ClientConnection | undefined {
    let best = this.#alive[0];
    for (const connection of this.#alive) if (best && busier(best, connection)) best = connection;
    return best;
  }

  /** A new connection when none is left; all callers wait for the same one. */
  revive(): Promise<ClientConnection> {
    if (this.#closed) return Promise.reject(new Fault(nbdFaults.closed, {}, 'the client was closed'));
    if (!this.reconnects)
      return Promise.reject(this.#failure ?? new Fault(nbdFaults.disconnected, {}, 'no connection is left'));
    this.#reviving ??= this.#retry().finally(() => {
      this.#reviving = undefined;
    });
    return this.#reviving;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const alive = this.#alive;
    this.#alive = [];
    await Promise.all(alive.map((connection) => connection.close()));
    // One that is opened meanwhile closes itself when it finds the pool closed.
    await this.#reviving?.catch(() => {});
  }

  #add(connection: ClientConnection): void {
    this.#alive.push(connection);
    connection.onBroken(() => {
      this.#alive = this.#alive.filter((other) => other !== connection);
      if (this.#alive.length === 0) this.#failure ??= connection.failure;
      else if (this.reconnects) void this.#fill().catch(() => {});
    });
  }

  /** Once: whoever finds no connection at all tries for longer. */
  async #fill(): Promise<void> {
    const missing = this.#wanted - this.#alive.length - this.#opening;
    if (missing <= 0) return;
    this.#opening += missing;
    const opened = await Promise.allSettled(Array.from({ length: missing }, () => this.#another()));
    this.#opening -= missing;
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #another(): Promise<ClientConnection> {
    const connection = await ClientConnection.open(this.#options.connection);
    const { sizeBytes, readOnly } = connection.agreed.export;
    const changed = sizeBytes !== this.export.sizeBytes || readOnly !== this.export.readOnly;
    if (changed || this.#closed) {
      await connection.close();
      if (!changed) throw new Fault(nbdFaults.closed, {}, 'the client was closed');
      throw new Fault(nbdFaults.refused, { reason: 'changed', sizeBytes }, 'the export is not what it was');
    }
    this.#add(connection);
    return connection;
  }

  async #retry(): Promise<ClientConnection> {
    const { clock, reconnectMs } = this.#options;
    const until = clock.monotonicMs() + reconnectMs;
    for (let delayMs = RETRY_FIRST_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
      try {
        const connection = await this.#another();
        // The others may come later: this one is enough to go on.
        void this.#fill().catch(() => {});
        return connection;
      } catch (error) {
        const passing = isFault(error, nbdFaults.disconnected) || isFault(error, nbdFaults.deadline);
        if (!passing || this.#closed || clock.monotonicMs() + delayMs > until) throw error;
      }
      await clock.sleep(delayMs);
    }
  }
}

function busier(one: ClientConnection, other: ClientConnection): boolean {
  if (one.inflightBytes !== other.inflightBytes) return one.inflightBytes > other.inflightBytes;
  return one.callCount > other.callCount;
}
