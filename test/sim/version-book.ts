/**
 * What clients know of versions beside the states of names: which operation made which id, what may not be listed for a
 * moment, and when a container was switched between Enabled and Suspended.
 */
import type { ObjectRef } from '../../proxy/object/contract.ts';

export type Mode = 'Off' | 'Enabled' | 'Suspended';

export interface KnownVersion {
  readonly made: number;
  readonly ref: ObjectRef;
  readonly id: string;
  readonly marker: boolean;
}

interface Interval {
  readonly container: string;
  readonly start: number;
  readonly end: number;
}

interface Change extends Interval {
  readonly mode: Mode;
}

interface Use extends Interval {
  readonly label: string;
  /** What the answer says that the container was. */
  readonly modes: readonly Mode[];
}

export class VersionBook {
  readonly known = new Map<number, KnownVersion>();
  /** Versions that somebody may have begun to delete: until the reconciler comes by, their rows may be gone. */
  readonly doubtful = new Set<number>();
  readonly #deletions: { readonly made: number; readonly start: number; readonly end: number }[] = [];
  readonly #changes: Change[] = [];
  readonly #uses: Use[] = [];

  readonly #told = new Map<number, number>();

  /** Its maker was told at `end`. */
  learn(version: KnownVersion, end: number): void {
    this.#told.set(version.made, end);
    this.known.set(version.made, version);
  }

  /** A listing from `start` on shows it: of a write that was still under way it may be an id that was given up. */
  saw(version: KnownVersion, start: number): void {
    const before = this.known.get(version.made);
    const told = this.#told.get(version.made);
    if (told === undefined) this.known.set(version.made, version);
    else if (before && before.id !== version.id && told < start)
      throw new Error(`operation ${version.made} made ${before.id}, and ${version.id} is shown`);
  }

  /** Somebody tried: while that was under way its row may have been gone before the version was, or was found to be locked. */
  triedToDelete(made: number, { start, end }: { readonly start: number; readonly end: number }): void {
    this.#deletions.push({ made, start, end });
  }

  wasBeingDeleted(made: number, { start, end }: { readonly start: number; readonly end: number }): boolean {
    return this.#deletions.some((one) => one.made === made && one.start < end && one.end > start);
  }

  /** `end` Infinity: nobody knows whether. */
  changed(change: Change): void {
    this.#changes.push(change);
  }

  used(use: Use): void {
    this.#uses.push(use);
  }

  of(ref: ObjectRef): readonly KnownVersion[] {
    return [...this.known.values()].filter(
      (known) => known.ref.container === ref.container && known.ref.object === ref.object,
    );
  }

  /** An answer that no state of the container at the time explains. */
  violation(): string | undefined {
    for (const use of this.#uses) {
      const changes = this.#changes.filter(({ container, start }) => container === use.container && start < use.end);
      const isOver = (one: Change): boolean => changes.some(({ start, end }) => start > one.end && end < use.start);
      const possible = changes.filter((one) => !isOver(one)).map(({ mode }) => mode);
      if (possible.some((mode) => use.modes.includes(mode))) continue;
      return `${use.label} was answered as in a container that is ${use.modes.join(' or ')}; it was ${possible.join(' or ')}`;
    }
    return undefined;
  }
}
