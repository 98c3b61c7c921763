/**
 * The devices a server has open: one per export name, shared by all its connections, opened with the first and closed after
 * the last. Never touches a device otherwise.
 */
import { assert } from '../../fabric/assert.ts';
import type { NbdDevice, NbdExports, NbdPeer } from './contract.ts';

interface Entry {
  readonly device: Promise<NbdDevice | undefined>;
  users: number;
}

export interface Use {
  readonly device: NbdDevice;
  /** Once, when the connection is done with it. */
  release(): Promise<void>;
}

export class ExportTable {
  readonly #exports: NbdExports;
  readonly #entries = new Map<string, Entry>();
  /** A name whose device is still closing is opened again only after that. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(exports: NbdExports) {
    this.#exports = exports;
  }

  names(peer: NbdPeer): readonly string[] {
    return this.#exports.names(peer).filter((name) => this.#permits(name, peer));
  }

  /** Undefined for a name that is not there or not for this peer: it cannot tell which. */
  async use(name: string, peer: NbdPeer): Promise<Use | undefined> {
    if (!this.#permits(name, peer)) return undefined;
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { device: this.#open(name), users: 0 };
      this.#entries.set(name, entry);
    }
    entry.users++;
    const used = entry;
    try {
      const device = await used.device;
      if (device) return { device, release: () => this.#release(name, used) };
    } catch (error) {
      await this.#release(name, used);
      throw error;
    }
    await this.#release(name, used);
    return undefined;
  }

  #permits(name: string, peer: NbdPeer): boolean {
    return this.#exports.permits?.(name, peer) ?? true;
  }

  async #open(name: string): Promise<NbdDevice | undefined> {
    await this.#closing.get(name);
    return this.#exports.open(name);
  }

  async #release(name: string, entry: Entry): Promise<void> {
    entry.users--;
    assert(entry.users >= 0, 'a device is released once per use');
    if (entry.users > 0) return;
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    const closing = this.#close(entry).finally(() => {
      if (this.#closing.get(name) === closing) this.#closing.delete(name);
    });
    this.#closing.set(name, closing);
    await closing;
  }

  /** Failures were told to whoever opened or used the device. */
  async #close(entry: Entry): Promise<void> {
    const device = await entry.device.catch(() => undefined);
    await device?.close?.().catch(() => {});
  }
}
