/**
 * Whether a tombstone may be forgotten here: only when no device of the cluster holds a handoff copy (one of these could be an
 * older version of the key, about to be delivered), and every primary holds the tombstone, something newer, or nothing any
 * more. Any doubt, any device that does not answer, means no.
 */
import { isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { Key } from '../contract.ts';
import { ask, type DaemonWorld, peerOf, primariesOf } from './world.ts';

/** Whether anybody owes anything is asked this often, however many tombstones there are. */
const DEBTS_KEPT_MS = 5_000;

export class Confirm {
  readonly #world: DaemonWorld;
  #debtFree: Promise<boolean> | undefined;
  #askedMs = 0;

  constructor(world: DaemonWorld) {
    this.#world = world;
  }

  async mayReclaim(key: Key, ballot: Stamp): Promise<boolean> {
    try {
      if (!(await this.#nobodyOwes())) return false;
      const others = primariesOf(this.#world, key).filter((id) => id !== this.#world.device.deviceId);
      const answers = await Promise.all(others.map((device) => this.#knows(device, key, ballot)));
      return answers.every(Boolean);
    } catch (error) {
      if (!isFault(error)) throw error;
      return false;
    }
  }

  /** Nothing at all is as good: it was reclaimed there, on the same terms, or never came, and nobody is left to send it. */
  async #knows(device: number, key: Key, ballot: Stamp): Promise<boolean> {
    const peer = peerOf(this.#world, device);
    if (!peer) return false;
    const held = (await ask(peer, 'check', { device, key })).ballot;
    return held === '' || held >= ballot;
  }

  #nobodyOwes(): Promise<boolean> {
    const nowMs = this.#world.clock.monotonicMs();
    if (!this.#debtFree || nowMs - this.#askedMs > DEBTS_KEPT_MS) {
      this.#askedMs = nowMs;
      this.#debtFree = this.#askAll();
    }
    return this.#debtFree;
  }

  async #askAll(): Promise<boolean> {
    const { device, ring } = this.#world;
    if (device.status().handoffCopies > 0) return false;
    for (const { id } of ring.devices) {
      if (id === device.deviceId) continue;
      const peer = peerOf(this.#world, id);
      if (!peer) return false;
      const { devices } = await ask(peer, 'status', { device: id });
      if (devices[0]?.handoffCopies !== 0 || devices[0].state !== 'up') return false;
    }
    return true;
  }
}
