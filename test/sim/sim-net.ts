/**
 * The network between simulated nodes. Every call is two messages; each may be late, overtake others, or be lost together
 * with its connection, so that a caller often cannot know whether its call was executed. Idempotent calls are sometimes
 * delivered twice. Values are copied on the way.
 */
import { isFault } from '../../fabric/errors.ts';
import type { CallOptions, Handlers, Peer, Reply } from '../../fabric/rpc/contract.ts';
import { CALL_DEADLINE_MS, silentLog } from '../../fabric/rpc/contract.ts';
import { deadlineExceeded, faultOf, unknownMethod, unreachable } from '../../fabric/rpc/faults.ts';
import type { Chance } from './chance.ts';
import { copyValue } from './copy-value.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import { simStream } from './sim-stream.ts';
import type { Trace } from './trace.ts';

/** One machine with at most one living process. */
export interface NetNode {
  readonly name: string;
  life: Life;
  /** undefined while the process is down or still starting. */
  handlers: Handlers | undefined;
}

export interface NetFaults {
  /** Share of messages whose connection breaks under them. */
  breakShare: number;
  /** Share of messages that vanish: the caller hears nothing until its deadline. */
  loseShare: number;
  /** Share of `apply` calls that arrive twice. */
  repeatShare: number;
  slowMs: number;
}

export const CALM: NetFaults = { breakShare: 0, loseShare: 0, repeatShare: 0, slowMs: 3 };

export interface SimNetOptions {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly describe: (method: string, args: unknown) => string;
}

interface Call {
  readonly from: NetNode;
  readonly to: NetNode;
  readonly life: Life;
  /** Has no deadline of its own: a lost connection is always noticed. */
  readonly uploads: boolean;
  fail(reason: string): void;
}

export class SimNet {
  readonly #options: SimNetOptions;
  readonly #cuts = new Set<string>();
  readonly #calls = new Set<Call>();
  readonly #watchers: (() => void)[] = [];
  faults: NetFaults = CALM;

  constructor(options: SimNetOptions) {
    this.#options = options;
  }

  reachable(from: NetNode, to: NetNode): boolean {
    return to.handlers !== undefined && !this.#cuts.has(`${from.name} ${to.name}`);
  }

  cut(from: NetNode, to: NetNode): void {
    this.#cuts.add(`${from.name} ${to.name}`);
    this.changed();
  }

  heal(): void {
    this.#cuts.clear();
    this.changed();
  }

  /** Connections notice after a while what has become of the other side. */
  changed(): void {
    for (const watch of this.#watchers) this.#options.scheduler.after(this.#options.chance.delayMs(0.2, 300), watch);
  }

  /** The node's process is gone: calls to it break. */
  died(node: NetNode): void {
    for (const call of this.#calls) if (call.to === node) this.#breakSoon(call, 'connection reset');
    this.changed();
  }

  /** The connection breaks: every call under way fails, executed or not. */
  reset(from: NetNode, to: NetNode): void {
    for (const call of this.#calls) if (call.from === from && call.to === to) this.#breakSoon(call, 'connection reset');
  }

  #breakSoon(call: Call, reason: string): void {
    this.#options.scheduler.after(this.#options.chance.between(0.05, 5), () => call.fail(reason));
  }

  /** `from` as it lives now calls `to`, whoever lives there then. */
  connect(from: NetNode, to: NetNode): Peer {
    const { life } = from;
    let up = this.reachable(from, to);
    this.#watchers.push(() => {
      up = this.reachable(from, to);
    });
    let calls = 0;
    return {
      name: to.name,
      get up() {
        return up;
      },
      get load() {
        return { calls, queuedBytes: 0, latencyMs: 1 };
      },
      call: (method, args, options) => {
        if (!up) {
          options?.upload?.cancel();
          return Promise.reject(unreachable(to.name, 'down'));
        }
        calls++;
        return this.#call({ from, to, life }, method, args, options).finally(() => {
          calls--;
        });
      },
      close: async () => {
        up = false;
      },
    };
  }

  #call(
    link: { from: NetNode; to: NetNode; life: Life },
    method: string,
    args: unknown,
    options: CallOptions | undefined,
  ): Promise<Reply> {
    const { scheduler } = this.#options;
    const { from, to, life } = link;
    const sent = copyValue(args);
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (settle: () => void): void => {
        if (over || !life.alive) return;
        over = true;
        this.#calls.delete(call);
        deadline?.cancel();
        settle();
      };
      const fail = (reason: string): void => finish(() => reject(unreachable(to.name, reason)));
      const call: Call = { from, to, life, uploads: options?.upload !== undefined, fail };
      const budgetMs = options?.deadlineMs ?? CALL_DEADLINE_MS;
      const late = (): void => finish(() => reject(deadlineExceeded(to.name, method, budgetMs)));
      const deadline = options?.upload ? undefined : scheduler.after(budgetMs, late);
      this.#calls.add(call);
      const done = (settle: () => void): void => this.#travel(to, from, call, () => finish(settle));
      const arrive = (): void => this.#arrive(link, { method, args: sent, options }, { resolve, reject, done, fail });
      this.#travel(from, to, call, arrive);
      if (method === 'apply' && this.#options.chance.often(this.faults.repeatShare)) {
        const again = { resolve() {}, reject() {}, done() {}, fail() {} };
        this.#travel(from, to, undefined, () => this.#arrive(link, { method, args: sent, options: undefined }, again));
      }
    });
  }

  /** One message: late, lost or cut off. */
  #travel(from: NetNode, to: NetNode, call: Call | undefined, arrive: () => void): void {
    const { scheduler, chance } = this.#options;
    const { breakShare, loseShare, slowMs } = this.faults;
    const lost = chance.often(loseShare);
    const broken = chance.often(breakShare);
    scheduler.after(chance.delayMs(0.05, slowMs), () => {
      if (this.#cuts.has(`${from.name} ${to.name}`) || lost) {
        // Half of the cuts are noticed by somebody; the rest end with the deadline.
        if (call && (chance.often(0.5) || call.uploads)) this.#breakSoon(call, 'connection lost');
      } else if (broken && call) call.fail('connection broke');
      else arrive();
    });
  }

  #arrive(
    { from, to, life }: { from: NetNode; to: NetNode; life: Life },
    { method, args, options }: { method: string; args: unknown; options: CallOptions | undefined },
    answer: {
      resolve(reply: Reply): void;
      reject(error: unknown): void;
      done(settle: () => void): void;
      fail(reason: string): void;
    },
  ): void {
    const { scheduler, chance, trace, describe } = this.#options;
    if (!to.handlers) return answer.fail('connection refused');
    const there = to.life;
    const handler = to.handlers[method];
    if (!handler) return answer.done(() => answer.reject(unknownMethod(method)));
    trace.add('call', `${from.name} ${to.name} ${method} ${describe(method, args)}`);
    const hop = { scheduler, chance };
    const upload = options?.upload && simStream(hop, { source: options.upload, owner: life, reader: there });
    const settle = (reply: Reply): void => {
      if (!there.alive) return;
      const value = copyValue(reply.value);
      const download = reply.download && simStream(hop, { source: reply.download, owner: there, reader: life });
      answer.done(() => answer.resolve(download ? { value, download } : { value }));
    };
    const refuse = (error: unknown): void => {
      if (!there.alive) return;
      if (!isFault(error)) this.#options.scheduler.fail(error);
      answer.done(() => answer.reject(faultOf(error, method, silentLog)));
    };
    // The caller's budget is counted on the caller's side alone.
    const context = { peerName: from.name, deadlineAtMs: Number.POSITIVE_INFINITY, upload };
    try {
      const reply = handler(args as never, context);
      if (reply instanceof Promise) reply.then(settle, refuse).finally(() => upload?.cancel());
      else settle(reply);
    } catch (error) {
      refuse(error);
    }
  }
}
