/**
 * What identity itself knows of tokens: answers of before, as long as nothing they hang on has changed. Exact, unlike a
 * verifier at another process: before each look it reads the store's revision, and what changed since drops what read it. So
 * a token revoked here a moment ago is void here at once.
 */
import { createHash } from 'node:crypto';
import { type Change, storeFaults } from '../../control/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { contextOf, type Resolved } from './auth/resolve.ts';
import { resolveText } from './auth/resolve-text.ts';
import type { TokenContext } from './contract.ts';
import { RecordingTx } from './recording-tx.ts';
import type { Identity } from './service-state.ts';
import { VALIDITY_TABLES } from './tables.ts';
import { AnswerCache } from './verifier-cache.ts';

const ANSWERS_MAX = 10_000;

export interface OwnAnswer {
  readonly resolved: Resolved;
  readonly context: TokenContext;
}

export class OwnAnswers {
  readonly #identity: Identity;
  readonly #cache = new AnswerCache<OwnAnswer>(ANSWERS_MAX);
  /** Changes up to here have been heard of. */
  #revision = 0;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** Undefined for a token that does not hold now. */
  async of(text: string): Promise<OwnAnswer | undefined> {
    await this.#catchUp();
    const digest = createHash('sha256').update(text).digest('base64');
    const { store, clock } = this.#identity;
    const known = this.#cache.get(digest, clock.nowMs());
    if (known !== undefined) return known.result;
    return await store.read(async (tx) => {
      const recording = new RecordingTx(tx);
      const resolved = await resolveText(this.#identity, recording, text);
      if (resolved === undefined) return undefined;
      const answer = { resolved, context: contextOf(resolved) };
      const untilMs = answer.context.expiresAtMs;
      if (tx.revision >= this.#revision)
        this.#cache.put(digest, { result: answer, untilMs, reads: [...recording.reads] });
      return answer;
    });
  }

  async #catchUp(): Promise<void> {
    const { store } = this.#identity;
    const newest = await store.revision();
    while (this.#revision < newest) {
      const after = this.#revision;
      try {
        const page = await store.changes({ after, tables: VALIDITY_TABLES });
        this.#apply(page.changes, page.revision);
      } catch (error) {
        if (!isFault(error, storeFaults.feedTrimmed)) throw error;
        this.#cache.clear();
        this.#revision = Math.max(this.#revision, newest);
      }
    }
  }

  /** Others may have come further while this page was read: what is told twice does no harm. */
  #apply(changes: readonly Change[], revision: number): void {
    for (const { table, key } of changes) this.#cache.touch(`${table}\0${key}`);
    this.#revision = Math.max(this.#revision, revision);
  }
}
