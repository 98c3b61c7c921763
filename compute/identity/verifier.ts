/**
 * Knows tokens and access keys at a service that holds no signing key. Asks identity once for each, keeps the answer with all
 * it hangs on, and follows identity's feed: whatever changed drops the answers that read it. An answer counts only while the
 * feed was heard from within STALE_MS; past that identity is asked anew each time, and when it cannot be asked nobody gets
 * in (Fault IdentityUnavailable). Never keeps a token's text, only its digest.
 */
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import {
  type AccessKey,
  type ChangesAsk,
  type ChangesReply,
  IDENTITY_METHODS,
  type TokenContext,
  type TokenVerifier,
  type Verdict,
} from './contract.ts';
import { identityFaults } from './faults.ts';
import { AnswerCache } from './verifier-cache.ts';

/** An answer may be so old at most, by what was last heard of the feed. */
export const STALE_MS = 1000;
/** Identity holds a question for changes so long: well below STALE_MS, so that a slow answer or two do no harm. */
const HOLD_MS = 300;
/** Between questions, so that a store busy with other things does not make us ask all the time. */
const PAUSE_MS = 20;
const RETRY_MS = 100;
const ASK_MS = 5000;
/** A question for changes that is not answered by then is asked anew. */
const FEED_MS = 1500;
export const TOKENS_KEPT_MAX = 10_000;
export const KEYS_KEPT_MAX = 10_000;
/** How long it is remembered that a token is none: key rotation is not in the feed. */
const REFUSAL_MS = 5000;

export interface VerifierOptions {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly tokensMax?: number;
  readonly keysMax?: number;
}

export interface RunningVerifier extends TokenVerifier {
  /** Resolves once the feed was heard from for the first time; rejects never. */
  readonly ready: Promise<void>;
  readonly isStale: boolean;
  readonly kept: { readonly tokens: number; readonly keys: number };
  stop(): void;
}

export function createTokenVerifier(options: VerifierOptions): RunningVerifier {
  return new Verifier(options);
}

class Verifier implements RunningVerifier {
  readonly #peer: Peer;
  readonly #clock: Clock;
  readonly #tokens: AnswerCache<TokenContext>;
  readonly #keys: AnswerCache<AccessKey>;
  readonly #asking = new Map<string, Promise<unknown>>();
  readonly ready: Promise<void>;
  #markReady!: () => void;
  /** Monotonic; what the feed had then is known here. */
  #freshAtMs = Number.NEGATIVE_INFINITY;
  /** Undefined before the first answer: nothing is kept until then. */
  #revision: number | undefined;
  #stopped = false;
  #timer: Timer | undefined;

  constructor({ peer, clock, tokensMax = TOKENS_KEPT_MAX, keysMax = KEYS_KEPT_MAX }: VerifierOptions) {
    this.#peer = peer;
    this.#clock = clock;
    this.#tokens = new AnswerCache(tokensMax);
    this.#keys = new AnswerCache(keysMax);
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
    void this.#follow();
  }

  get isStale(): boolean {
    return this.#clock.monotonicMs() - this.#freshAtMs > STALE_MS;
  }

  get kept(): { readonly tokens: number; readonly keys: number } {
    return { tokens: this.#tokens.size, keys: this.#keys.size };
  }

  authenticate(token: string): Promise<TokenContext | undefined> | TokenContext | undefined {
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known(this.#tokens, digest);
    if (known !== undefined) return known.result;
    const expiry = ({ expiresAtMs }: TokenContext): number => expiresAtMs;
    return this.#once(digest, () =>
      this.#ask(this.#tokens, { method: IDENTITY_METHODS.verify, args: { token }, digest, expiry }),
    );
  }

  accessKey(accessKey: string): Promise<AccessKey | undefined> | AccessKey | undefined {
    const known = this.#known(this.#keys, accessKey);
    if (known !== undefined) return known.result;
    const expiry = ({ context }: AccessKey): number => context.expiresAtMs;
    const ask = { method: IDENTITY_METHODS.accessKey, args: { accessKey }, digest: accessKey, expiry };
    return this.#once(`key ${accessKey}`, () => this.#ask(this.#keys, ask));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#tokens.clear();
    this.#keys.clear();
  }

  #known<T>(cache: AnswerCache<T>, digest: string): { readonly result: T | undefined } | undefined {
    return this.isStale ? undefined : cache.get(digest, this.#clock.nowMs());
  }

  /** Requests with the same token wait for the same answer. */
  #once<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const running = this.#asking.get(name) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const answer = ask().finally(() => this.#asking.delete(name));
    this.#asking.set(name, answer);
    return answer;
  }

  async #ask<T>(
    cache: AnswerCache<T>,
    ask: {
      readonly method: string;
      readonly args: unknown;
      readonly digest: string;
      readonly expiry: (result: T) => number;
    },
  ): Promise<T | undefined> {
    let verdict: Verdict<T>;
    try {
      const reply = await this.#peer.call(ask.method, ask.args, { deadlineMs: ASK_MS });
      verdict = reply.value as Verdict<T>;
    } catch (error) {
      const cause = (error as Error).message;
      throw new Fault(identityFaults.unavailable, { cause }, 'identity cannot be asked about a token');
    }
    const nowMs = this.#clock.nowMs();
    const { result } = verdict;
    const untilMs = result === undefined ? nowMs + REFUSAL_MS : ask.expiry(result);
    if (untilMs <= nowMs) return undefined;
    // Judged before what the feed has told already: true enough for this one request, but what changed between is unknown.
    if (this.#revision !== undefined && verdict.revision >= this.#revision)
      cache.put(ask.digest, { result, untilMs, reads: verdict.reads });
    return result;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      const sentAtMs = this.#clock.monotonicMs();
      const ask: ChangesAsk = this.#revision === undefined ? { waitMs: 0 } : { after: this.#revision, waitMs: HOLD_MS };
      let heard = false;
      try {
        const reply = await this.#peer.call(IDENTITY_METHODS.changes, ask, { deadlineMs: FEED_MS });
        if (this.#stopped) return;
        this.#apply(reply.value as ChangesReply, sentAtMs);
        heard = true;
      } catch {
        // Nothing was heard; how long that is bearable is STALE_MS's to say.
      }
      await this.#pause(heard ? PAUSE_MS : RETRY_MS);
    }
  }

  #apply({ changed, revision, trimmed, heldMs }: ChangesReply, sentAtMs: number): void {
    // A store that was put back from a backup counts from an earlier revision.
    const forgets = trimmed || (this.#revision !== undefined && revision < this.#revision);
    for (const cache of [this.#tokens, this.#keys]) {
      if (forgets) cache.clear();
      else for (const one of changed) cache.touch(one);
    }
    this.#revision = revision;
    // The look was taken no earlier than this, by our own clock.
    this.#freshAtMs = sentAtMs + heldMs;
    this.#markReady();
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#timer = this.#clock.after(delayMs, resolve);
    });
  }
}
