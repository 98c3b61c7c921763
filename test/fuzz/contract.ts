/** What the fuzzer needs of a parser: inputs to begin with, and a run that judges one input. Knows no parser. */
import type { Random } from '../../fabric/random.ts';

/** What became of an input: 'value', or the code of the Fault or the status that refused it. */
export type Outcome = string;

export interface FuzzTarget {
  /** As `--only` names it. */
  readonly name: string;
  /** Proper ones and near misses; some are given as they are, the others are made from them. */
  readonly seeds: readonly (string | Buffer)[];
  /** Words that mean something here, for overwriting others. */
  readonly words?: readonly string[];
  /** A new proper input, for parsers whose inputs hold sums that no change survives. */
  readonly make?: (random: Random) => Buffer;
  /**
   * Throws a Fault of `codes` for what it refuses; anything else that is thrown is a bug. Checks round trips by `assert`.
   * A returned text is counted as the outcome.
   */
  readonly run: (input: Buffer, random: Random) => Outcome | void | Promise<Outcome | void>;
  /** Codes that a refusal may have. */
  readonly codes: ReadonlySet<string>;
  readonly close?: () => Promise<void>;
}

/** Opened when it is its turn, closed after it. */
export interface FuzzParser {
  readonly name: string;
  readonly open: () => FuzzTarget | Promise<FuzzTarget>;
}
