/** What clients that attach a volume ask first: whether it is encrypted. None is. */
import { type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { notFound } from '../refusals.ts';
import { volumes } from '../tables.ts';
import { targetIn } from './shared.ts';

export function encryptionRoutes(cinder: Cinder): Route[] {
  const target = targetIn(cinder, { rows: volumes, what: 'Volume', param: 'volume_id' });
  const path = '/volumes/{volume_id}/encryption';
  return [
    route({
      ...{
        name: 'volumes:show-encryption',
        method: 'GET',
        path,
        target,
        policy: 'volume:get',
        note: 'no key: not encrypted',
      },
      run: () => ({ body: { encryption_key_id: null } }),
    }),
    route({
      ...{ name: 'volumes:show-encryption-key', method: 'GET', path: `${path}/{key}`, target, policy: 'volume:get' },
      note: 'the key is null, anything else 404',
      run(call) {
        if (call.params.key !== 'encryption_key_id') throw notFound('Volume encryption metadata', call.params.key);
        return { raw: '', headers: ['Content-Type', 'text/plain'] };
      },
    }),
  ];
}
