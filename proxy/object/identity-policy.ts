/** Policies of users and sessions, read once and asked as one: an explicit Deny goes before any Allow. */
import { ANONYMOUS, type CallerPolicies } from './contract.ts';
import { askPolicy, readCallerPolicy } from './policy.ts';

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
