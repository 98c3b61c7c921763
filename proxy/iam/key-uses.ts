/**
 * When keys of users were last used: written behind the answer, at most once an hour for a key. Only policies of users are
 * watched, so that nobody else's requests come here.
 */
import type { ControlStore } from '../../control/contract.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { CallerPolicies } from '../object/contract.ts';
import { KEY_USES, KEYS } from './records.ts';

const NOTE_MS = 3_600_000;

interface Slot {
  dueMs: number;
}

export class KeyUses {
  readonly #store: ControlStore;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #slots = new Map<string, Slot>();
  #stopped = false;

  constructor({ store, clock, onError }: { store: ControlStore; clock: Clock; onError: (error: unknown) => void }) {
    this.#store = store;
    this.#clock = clock;
    this.#onError = onError;
  }

  /** The same policies, which note that the key was used when they are asked. */
  watched(accessKeyId: string, own: CallerPolicies): CallerPolicies {
    const slot = this.#slots.get(accessKeyId) ?? { dueMs: 0 };
    this.#slots.set(accessKeyId, slot);
    return {
      get asksForTags() {
        return own.asksForTags;
      },
      ask: (asked) => {
        if (this.#clock.nowMs() >= slot.dueMs) this.#note(accessKeyId, slot, asked.action);
        return own.ask(asked);
      },
    };
  }

  forget(accessKeyId: string): void {
    this.#slots.delete(accessKeyId);
  }

  stop(): void {
    this.#stopped = true;
  }

  #note(accessKeyId: string, slot: Slot, action: string): void {
    const usedMs = this.#clock.nowMs();
    slot.dueMs = usedMs + NOTE_MS;
    if (this.#stopped) return;
    const service = action.slice(0, Math.max(0, action.indexOf(':'))) || 's3';
    const written = this.#store.write(async (tx) => {
      if (await tx.get(KEYS, accessKeyId)) tx.put(KEY_USES, accessKeyId, { usedMs, service });
    });
    written.catch((error: unknown) => {
      if (!this.#stopped) this.#onError(error);
    });
  }
}
