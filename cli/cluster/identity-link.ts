/**
 * Several processes with one identity: other regions, or this region's other services. The one that holds it listens for them
 * (`identity-listen`); one that is given its link (`identity-link`) has no identity of its own: it verifies tokens and keys over
 * the link, and announces its endpoints for the common catalog.
 */
import { createTokenVerifier } from '../../compute/identity/verifier.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { Logger } from '../../fabric/logger.ts';
import type { SocketPeer } from '../../fabric/rpc/client.ts';
import { ANNOUNCE, type Announcement, type ClusterIdentityService } from './identity-contract.ts';
import { connectLink, type Link, readLink } from './link.ts';

const ANNOUNCE_MS = 30_000;
/** A start waits so long for identity, which is told behind it otherwise. */
const START_MS = 5_000;
const RETRY_MS = 1_000;

/** What clients of every region log in at: `authUrl`. */
export type IdentityLink = Link & Record<'authUrl', string>;

export const readIdentityLink = (file: string): IdentityLink => readLink('identity-link', file, ['authUrl']);

/** `caller` is how identity's log names us. */
export function linkedIdentity(
  link: IdentityLink,
  { caller, log }: { readonly caller: string; readonly log: Logger },
): ClusterIdentityService {
  const peer = connectLink('identity', link, { caller });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  let stopped = false;
  let markStopped = (): void => {};
  const end = new Promise<void>((resolve) => {
    markStopped = resolve;
  });
  const pause = (ms: number): Promise<void> =>
    Promise.race([end, new Promise<void>((resolve) => void systemClock.after(ms, resolve))]);
  const announce = async (announcement: Announcement): Promise<void> => {
    while (!stopped) {
      try {
        await tell(peer, announcement);
        return;
      } catch (error) {
        if (!stopped) log.error({ err: error, host: link.host, port: link.port }, 'identity does not answer');
      }
      await pause(RETRY_MS);
    }
  };
  let announcing: Promise<void> | undefined;
  return {
    ...{ verifier, handler: undefined, authUrl: () => link.authUrl },
    async publish(endpoints) {
      announcing = announce({ endpoints });
      await Promise.race([announcing, pause(START_MS)]);
    },
    async stop() {
      stopped = true;
      markStopped();
      verifier.stop();
      await peer.close();
      await announcing;
    },
  };
}

async function tell(peer: SocketPeer, announcement: Announcement): Promise<void> {
  await peer.whenUp(ANNOUNCE_MS);
  await peer.call(ANNOUNCE, announcement, { deadlineMs: ANNOUNCE_MS });
}
