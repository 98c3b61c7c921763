/**
 * The Fernet keys of one folder, in memory: seals with the primary, opens with all, and looks for rotated keys now and then
 * and whenever a token fits none of them. Only identity has one: who holds it can make tokens (docs/adr/0012-identity.md).
 */
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../fabric/clock.ts';
import type { Disk } from '../../fabric/disk.ts';
import type { Random } from '../../fabric/random.ts';
import { type FernetKey, open, type Sealed, seal } from './fernet-format.ts';
import { ensureKeys, loadKeys } from './key-repository.ts';

/** A rotation elsewhere stages its key first, so a primary is known long before it is used. */
const RELOAD_MS = 10_000;
/** Tokens that fit no key make the folder read again, but not more often than this. */
const RELOAD_MIN_MS = 500;

export interface KeyRingWorld {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  /** Told when the folder cannot be read; the keys read before stay. */
  readonly onError: (error: unknown) => void;
}

export type KeysListener = (fingerprints: readonly string[]) => void;

export class KeyRing {
  readonly #directory: string;
  readonly #world: KeyRingWorld;
  #keys: FernetKey[] = [];
  #loadedAtMs = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #listener: KeysListener | undefined;

  private constructor(directory: string, world: KeyRingWorld) {
    this.#directory = directory;
    this.#world = world;
  }

  /** Makes the first keys where there are none. */
  static async start(directory: string, world: KeyRingWorld): Promise<KeyRing> {
    await ensureKeys(world, directory);
    const ring = new KeyRing(directory, world);
    ring.#keys = await loadKeys(world.disk, directory);
    ring.#loadedAtMs = world.clock.monotonicMs();
    ring.#arm();
    return ring;
  }

  seal(sealed: Sealed): string {
    // A copy, because the source reuses its memory.
    return seal(this.#keys[0] as FernetKey, sealed, Buffer.from(this.#world.random.bytes(16)));
  }

  /** Tells which keys there are, without telling them. Primary first. */
  get fingerprints(): readonly string[] {
    const digest = ({ signing }: FernetKey): string => createHash('sha256').update(signing).digest('hex').slice(0, 16);
    return this.#keys.map(digest);
  }

  /** Told after each reload that found other keys. */
  onChange(listener: KeysListener): void {
    this.#listener = listener;
  }

  /** Without looking at the folder again. */
  open(token: string): Sealed | undefined {
    return open(this.#keys, token);
  }

  async openOrReload(token: string): Promise<Sealed | undefined> {
    const sealed = this.open(token);
    if (sealed !== undefined || this.#world.clock.monotonicMs() - this.#loadedAtMs < RELOAD_MIN_MS) return sealed;
    await this.reload();
    return this.open(token);
  }

  async reload(): Promise<void> {
    this.#loadedAtMs = this.#world.clock.monotonicMs();
    const before = this.fingerprints.join();
    try {
      this.#keys = await loadKeys(this.#world.disk, this.#directory);
      if (this.fingerprints.join() !== before) this.#listener?.(this.fingerprints);
    } catch (error) {
      this.#world.onError(error);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#world.clock.after(RELOAD_MS, () => {
      void this.reload().then(() => {
        if (!this.#stopped) this.#arm();
      });
    });
  }
}
