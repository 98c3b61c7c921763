/**
 * Client of the QEMU Machine Protocol over a stream socket (qemu.org: docs/interop/qmp-spec): greeting, capabilities, one JSON
 * object a line, replies matched by id, events handed on. Knows no command. A command whose connection breaks or whose time
 * is up fails with `unavailable`, and nothing is known about what it did.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Endpoint, Net, NetSocket } from '../../fabric/net.ts';
import { engineFaults } from './contract.ts';

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type QmpArguments = Readonly<Record<string, unknown>>;

export interface Qmp {
  /** `refused` when the daemon answers with an error. */
  command<T = unknown>(name: string, args?: QmpArguments): Promise<T>;
  close(): void;
}

export interface QmpOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  /** Once, when the connection ends by itself or by `close`; not if `connectQmp` failed. */
  readonly closed: (reason: string) => void;
  readonly event?: (event: QmpEvent) => void;
}

/** A daemon answers only one client at a time: another agent that holds it makes this run out. */
const GREETING_MS_MAX = 3000;
const COMMAND_MS_MAX = 30_000;
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const PENDING_MAX = 256;

interface Pending {
  readonly name: string;
  resolve(value: unknown): void;
  reject(error: Fault): void;
  readonly timer: Timer;
}

interface Message {
  readonly QMP?: unknown;
  readonly id?: string;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
}

const unavailable = (reason: string): Fault => new Fault(engineFaults.unavailable, { reason }, reason);

class QmpConnection implements Qmp {
  readonly #options: QmpOptions;
  readonly #pending = new Map<string, Pending>();
  /** A daemon may still answer what the client before this one asked. */
  readonly #idPrefix: string;
  readonly #greeted: Promise<void>;
  #greet: { resolve(): void; reject(error: Fault): void } = { resolve() {}, reject() {} };
  #socket: NetSocket;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #nextId = 1;
  #open = false;
  #ended = false;

  constructor(options: QmpOptions) {
    this.#options = options;
    this.#idPrefix = `${options.clock.nowMs().toString(36)}-`;
    this.#greeted = new Promise((resolve, reject) => {
      this.#greet = { resolve, reject };
    });
    this.#socket = options.net.connect(options.endpoint, {
      data: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#end(reason),
    });
  }

  async start(): Promise<void> {
    // A daemon of QEMU 7.2 that has just started may greet and then hear nothing (1 of 2,310 on a busy machine).
    const timer = this.#options.clock.after(GREETING_MS_MAX, () => this.#socket.destroy('no greeting'));
    try {
      await this.#greeted;
      await this.command('qmp_capabilities');
    } finally {
      timer.cancel();
    }
    this.#open = true;
  }

  command<T>(name: string, args?: QmpArguments): Promise<T> {
    if (this.#ended) return Promise.reject(unavailable('the control connection is closed'));
    if (this.#pending.size >= PENDING_MAX) return Promise.reject(new Fault(engineFaults.overloaded));
    const id = this.#idPrefix + this.#nextId++;
    const request = args === undefined ? { execute: name, id } : { execute: name, arguments: args, id };
    return new Promise<T>((resolve, reject) => {
      const timer = this.#options.clock.after(COMMAND_MS_MAX, () => this.#socket.destroy(`no answer to ${name}`));
      this.#pending.set(id, { name, resolve: resolve as (value: unknown) => void, reject, timer });
      this.#socket.write([Buffer.from(`${JSON.stringify(request)}\n`)], () => {});
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#parts.push(bytes.subarray(start, end));
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#partBytes = 0;
      start = end + 1;
      if (line.trim() !== '' && !this.#take(line)) return;
    }
    if (start < bytes.length) this.#parts.push(bytes.subarray(start));
    this.#partBytes += bytes.length - start;
    if (this.#partBytes > LINE_BYTES_MAX) this.#socket.destroy('line too long');
  }

  #take(line: string): boolean {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      this.#socket.destroy('not JSON');
      return false;
    }
    if (message.QMP !== undefined) this.#greet.resolve();
    else if (message.event !== undefined) this.#options.event?.({ event: message.event, data: message.data ?? {} });
    else if (message.id !== undefined) this.#answer(message.id, message);
    return true;
  }

  #answer(id: string, message: Message): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    if (message.error === undefined) {
      pending.resolve(message.return);
      return;
    }
    const { desc: reason, class: kind } = message.error;
    pending.reject(
      new Fault(engineFaults.refused, { command: pending.name, reason, kind }, `${pending.name}: ${reason}`),
    );
  }

  #end(reason: string): void {
    this.#ended = true;
    this.#greet.reject(unavailable(reason));
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(unavailable(`${pending.name}: ${reason}`));
    }
    this.#pending.clear();
    if (this.#open) this.#options.closed(reason);
  }
}

export async function connectQmp(options: QmpOptions): Promise<Qmp> {
  const connection = new QmpConnection(options);
  try {
    await connection.start();
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}
