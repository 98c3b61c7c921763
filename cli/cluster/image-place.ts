/**
 * The place of an image service, which is still to come: a version document, and 404 for the rest. Commands about volumes ask
 * for it first, whether or not an image has to do with what they are told, and give up when nothing answers.
 */
import { createPolicy } from '../../control/policy/rules.ts';
import { createService } from '../../control/service/create-service.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { IMAGE_PREFIX } from './cloud-places.ts';
import type { ClusterIdentityService } from './identity-contract.ts';

export function imagePlace({ verifier }: ClusterIdentityService, log: Logger): HttpHandler {
  const { handler } = createService({
    ...{ name: 'image', style: 'glance', routes: [], prefix: IMAGE_PREFIX },
    versions: {
      shape: 'neutron',
      list: [{ id: 'v2.0', path: '/v2', status: 'CURRENT', updated: '2015-10-14T00:00:00Z' }],
    },
    authenticate: (token) => verifier.authenticate(token),
    policy: createPolicy({ defaults: {} }),
    ...{ clock: systemClock, random: systemRandom },
    onError: (error) => log.error({ err: error }, 'the place of images failed'),
  });
  return handler;
}
