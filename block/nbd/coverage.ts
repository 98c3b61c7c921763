/**
 * Which bytes of a read have come: chunks may come in any order, never twice, and all must have come in the end. In order,
 * as servers send them, it is one number; otherwise a short sorted list of the runs that came too early.
 */

/** Separate runs of one read; a server that scatters more is taken for broken. */
const RUNS_MAX = 4096;

export class Coverage {
  /** All below has come. */
  #reached = 0;
  /** Sorted, disjoint, not touching each other, all above `#reached`. */
  #early: { start: number; end: number }[] = [];

  /** False when part of it came before, or when it is scattered beyond measure. */
  add(start: number, length: number): boolean {
    const end = start + length;
    if (start < this.#reached) return false;
    if (start === this.#reached && this.#early.length === 0) {
      this.#reached = end;
      return true;
    }
    return this.#insert(start, end);
  }

  covers(length: number): boolean {
    return this.#reached === length && this.#early.length === 0;
  }

  #insert(start: number, end: number): boolean {
    const early = this.#early;
    let index = early.findIndex((run) => run.start >= start);
    if (index === -1) index = early.length;
    const before = early[index - 1];
    const after = early[index];
    if ((before && before.end > start) || (after && after.start < end)) return false;
    if (before?.end === start) {
      before.end = end;
      if (after?.start === end) {
        before.end = after.end;
        early.splice(index, 1);
      }
    } else if (after?.start === end) after.start = start;
    else early.splice(index, 0, { start, end });
    const first = early[0];
    if (first?.start === this.#reached) {
      this.#reached = first.end;
      early.shift();
    }
    return early.length <= RUNS_MAX;
  }
}
