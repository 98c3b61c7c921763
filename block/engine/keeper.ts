/**
 * Keeps a volume's daemon (and its TLS fronts) running: finds them, starts them, starts them again with bounded back-off when
 * they die. `running` is called with the volume's turn held; recovery takes a turn for each attempt.
 */
import type { Clock } from '../../fabric/clock.ts';
import { buildFresh, isBuilt, makeFiles, settleFound } from './bring-up.ts';
import { TRANSPORTS } from './contract.ts';
import { type Daemon, endDaemon, findDaemon, killDaemon, startDaemon } from './daemon.ts';
import { endFront, ensureFront } from './front.ts';
import type { Qmp } from './qmp.ts';
import type { VolumeContext } from './volume-context.ts';

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5000;

export interface KeeperHooks {
  /** Runs with the volume's turn held. */
  exclusive<T>(run: () => Promise<T>): Promise<T>;
  /** A daemon serves the volume: what runs in the background may start. */
  up(): void;
}

/** Resolves later; never keeps the process alive. */
export const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.after(delayMs, resolve));

export const retryDelayMs = (attempt: number): number => Math.min(RETRY_MS_MIN * 2 ** (attempt - 1), RETRY_MS_MAX);

export class Keeper {
  readonly #context: VolumeContext;
  readonly #hooks: KeeperHooks;
  readonly #fronts = new Map<string, Daemon>();
  #daemon: Daemon | undefined;
  #recovering = false;
  #released = false;
  restarts = 0;
  lastError: string | undefined;

  constructor(context: VolumeContext, hooks: KeeperHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  get pid(): number | undefined {
    return this.#daemon?.mark.pid;
  }

  get qmp(): Qmp | undefined {
    return this.#daemon?.qmp;
  }

  get released(): boolean {
    return this.#released;
  }

  #paths() {
    const { qmpSocket, pidFile, log } = this.#context.paths;
    return { socket: qmpSocket, pidFile, log };
  }

  /** The daemon serves what the state says; its fronts too, as far as they can be started now. */
  async running(): Promise<Qmp> {
    if (this.#daemon) return this.#daemon.qmp;
    const context = this.#context;
    await makeFiles(context);
    if (!context.state.wanted) await context.save({ wanted: true });
    const daemon = (await this.#find()) ?? (await this.#start());
    this.#daemon = daemon;
    this.lastError = undefined;
    for (const { attachmentId, transport } of context.state.attachments)
      if (transport === TRANSPORTS.tcp && !this.#fronts.has(attachmentId)) this.#recoverFront(attachmentId);
    this.#hooks.up();
    return daemon.qmp;
  }

  async #find(): Promise<Daemon | undefined> {
    const { world } = this.#context;
    const found: Daemon | undefined = await findDaemon(world, this.#paths(), () => this.#lost(found));
    if (!found) return undefined;
    if (!(await isBuilt(found.qmp))) {
      await endDaemon(world, found);
      return undefined;
    }
    try {
      await settleFound(this.#context, found.qmp);
      return found;
    } catch (error) {
      found.qmp.close();
      throw error;
    }
  }

  async #start(): Promise<Daemon> {
    const { world } = this.#context;
    const daemon: Daemon = await startDaemon(world, this.#paths(), () => this.#lost(daemon));
    try {
      await buildFresh(this.#context, daemon.qmp);
      return daemon;
    } catch (error) {
      await endDaemon(world, daemon);
      throw error;
    }
  }

  #lost(daemon: Daemon | undefined): void {
    if (daemon === undefined || this.#daemon !== daemon) return;
    this.#daemon = undefined;
    if (this.#released || !this.#context.state.wanted) return;
    this.#context.emit({ type: 'daemon-died', id: this.#context.state.id });
    this.recover();
  }

  /** Tries until the daemon serves, in the background. */
  recover(): void {
    if (this.#recovering) return;
    this.#recovering = true;
    const { id } = this.#context.state;
    void this.#retry(async () => {
      if (this.#daemon || !this.#context.state.wanted) return;
      await this.running();
      this.restarts++;
      this.#context.emit({ type: 'daemon-back', id });
    }).finally(() => {
      this.#recovering = false;
      // It may have died again before this attempt was over.
      if (!this.#daemon && this.#context.state.wanted && !this.#released) this.recover();
    });
  }

  async #retry(attemptOnce: () => Promise<void>): Promise<void> {
    for (let attempt = 1; !this.#released; attempt++) {
      try {
        await this.#hooks.exclusive(attemptOnce);
        return;
      } catch (error) {
        this.lastError = (error as Error).message;
        this.#context.emit({ type: 'restart-failed', id: this.#context.state.id, reason: this.lastError });
      }
      await pause(this.#context.world.clock, retryDelayMs(attempt));
    }
  }

  /** The front of an attachment that is in the state; the turn is held. */
  async front(attachmentId: string): Promise<void> {
    const attachment = this.#context.state.attachments.find((one) => one.attachmentId === attachmentId);
    if (!attachment || this.#fronts.has(attachmentId)) return;
    const daemon: Daemon = await ensureFront(this.#context, attachment, () => {
      if (this.#fronts.get(attachmentId) !== daemon) return;
      this.#fronts.delete(attachmentId);
      if (!this.#released) this.#recoverFront(attachmentId);
    });
    this.#fronts.set(attachmentId, daemon);
  }

  #recoverFront(attachmentId: string): void {
    void this.#retry(() => this.front(attachmentId));
  }

  async endFront(attachmentId: string): Promise<void> {
    const known = this.#fronts.get(attachmentId);
    this.#fronts.delete(attachmentId);
    if (known) await endDaemon(this.#context.world, known);
    await endFront(this.#context, attachmentId);
  }

  /** Fronts learn a volume's size only when they connect. */
  async restartFronts(): Promise<void> {
    for (const [attachmentId, daemon] of [...this.#fronts]) {
      this.#fronts.delete(attachmentId);
      await endDaemon(this.#context.world, daemon);
      await this.front(attachmentId);
    }
  }

  /** Ends the daemon, if there is one, by order of the volume; `wanted` must be false already or the caller wants it back. */
  async end(how: 'orderly' | 'at once'): Promise<void> {
    const { world } = this.#context;
    const daemon = this.#daemon ?? (await findDaemon(world, this.#paths(), () => {}));
    this.#daemon = undefined;
    if (!daemon) return;
    if (how === 'orderly') return endDaemon(world, daemon);
    daemon.qmp.close();
    await killDaemon(world, daemon.mark);
  }

  release(): void {
    this.#released = true;
    const daemons = [this.#daemon, ...this.#fronts.values()];
    this.#daemon = undefined;
    this.#fronts.clear();
    for (const daemon of daemons) daemon?.qmp.close();
  }
}
