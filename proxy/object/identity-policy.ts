/** Policies of users and sessions, read once and asked as one: an explicit Deny goes before any Allow. */
import { ANONYMOUS, type CallerPolicies } from './contract.ts';
import { askPolicy, readCallerPolicy } from './policy.ts';

/** Of whoever has policies that are not here, or cannot be read. */
export const NOTHING: CallerPolicies = { ask: () => 'deny', asksForTags: false };

/** Fault MalformedPolicy. */
export function callerPolicies(texts: readonly string[]): CallerPolicies {
  const policies = texts.map(readCallerPolicy);
  return {
    asksForTags: policies.some(({ asksForTags }) => asksForTags),
    ask(asked) {
      let answer: 'allow' | undefined;
      for (const policy of policies) {
        // Nobody is named in them: whoever asks is meant.
        const said = askPolicy(policy, { ...asked, caller: ANONYMOUS });
        if (said === 'deny') return 'deny';
        answer ??= said;
      }
      return answer;
    },
  };
}

/** `own` and others as one, each as it is at the question. */
export function joined(own: CallerPolicies, others: readonly (() => CallerPolicies)[]): CallerPolicies {
  return new Joined(own, others);
}

class Joined implements CallerPolicies {
  readonly #own: CallerPolicies;
  readonly #others: readonly (() => CallerPolicies)[];

  constructor(own: CallerPolicies, others: readonly (() => CallerPolicies)[]) {
    this.#own = own;
    this.#others = others;
  }

  get asksForTags(): boolean {
    return this.#own.asksForTags || this.#others.some((each) => each().asksForTags);
  }

  ask(asked: Parameters<CallerPolicies['ask']>[0]): 'allow' | 'deny' | undefined {
    let answer = this.#own.ask(asked);
    if (answer === 'deny') return 'deny';
    for (const each of this.#others) {
      const said = each().ask(asked);
      if (said === 'deny') return 'deny';
      answer ??= said;
    }
    return answer;
  }
}
