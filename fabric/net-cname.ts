/** CNAME records from the DNS. */
import { Resolver } from 'node:dns/promises';

const TIMEOUT_MS = 2000;
const TRIES = 2;

/**
 * Resolves with the name that a host stands for; undefined when it has no such record or nobody can tell: either way it
 * leads nowhere. `nameservers`: `address` or `address:port`; none: as the system is set up.
 */
export function createCnameLookUp(nameservers: readonly string[]): (host: string) => Promise<string | undefined> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (nameservers.length > 0) resolver.setServers([...nameservers]);
  return (host) =>
    resolver.resolveCname(host).then(
      ([first]) => first,
      () => undefined,
    );
}
