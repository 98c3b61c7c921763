/** Nothing is accepted and ignored: what this API does not do is refused before anything is done. */
import { OPERATIONS } from '../../proxy/swift/operations.ts';
import { REFUSED_HEADERS, REFUSED_PARAMETERS, type RefusedName } from '../../proxy/swift/request-rules.ts';
import type { SwiftSuite } from './swift-rig.ts';

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'COPY', 'PATCH'] as const;

function pathOf(rule: Pick<RefusedName, 'target'>, c: string): string {
  if (rule.target === 'account') return '';
  return rule.target === 'container' ? c : `${c}/o`;
}

export const refusals: SwiftSuite = {
  'headers and parameters': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    for (const rule of REFUSED_HEADERS) {
      for (const method of rule.methods) {
        const headers = { [rule.name]: '1', ...(method === 'COPY' ? { Destination: `${c}/copy` } : {}) };
        const sent = method === 'PUT' || method === 'POST' ? { headers, body: '' } : { headers };
        // What has no operation at all is refused as such.
        const hasRow = OPERATIONS.some((row) => row.target === rule.target && row.method === method);
        const got = await client.ask(method, pathOf(rule, c), sent);
        t.equal(got.status, hasRow ? rule.status : 405, `${method} ${rule.target}, ${rule.name}`);
      }
    }
    for (const rule of REFUSED_PARAMETERS) {
      for (const method of rule.methods) {
        const hasRow = OPERATIONS.some((row) => row.target === rule.target && row.method === method);
        const got = await client.ask(method, `${pathOf(rule, c)}?${rule.name}=1`, {
          headers: { Destination: `${c}/copy` },
          ...(method === 'PUT' || method === 'POST' ? { body: '' } : {}),
        });
        t.equal(got.status, hasRow ? rule.status : 405, `${method} ${rule.target}?${rule.name}`);
      }
    }
    t.equal((await client.ask('GET', `${c}/o`)).text, 'x', 'the object is as it was');
    t.equal((await client.ask('HEAD', `${c}/copy`)).status, 404);
    const described = await client.ask('HEAD', c);
    t.equal(described.headers['x-container-meta-quota-bytes'], undefined);
    t.equal(described.headers['x-versions-enabled'], undefined);
  },

  'methods without a row': async ({ t, client, c }) => {
    for (const [target, path] of [
      ['account', ''],
      ['container', c],
      ['object', `${c}/none`],
    ] as const) {
      for (const method of METHODS) {
        if (OPERATIONS.some((row) => row.target === target && row.method === method)) continue;
        const got = await client.ask(method, path);
        t.equal(got.status, 405, `${method} ${target}`);
        t.match(got.headers['allow'], /GET, HEAD/);
      }
      const allowed = (await client.ask('OPTIONS', path)).headers['allow'] ?? '';
      t.match(allowed, /GET, HEAD.*OPTIONS/, target);
    }
    t.equal((await client.raw('POST', '/info', { body: '' })).status, 405);
    t.equal((await client.raw('PUT', '/auth/v1.0', { body: '' })).status, 405);
    t.equal((await client.ask('PUT', '', { body: '' })).status, 403, 'accounts come and go with their users');
  },

  'hostile names': async ({ t, client, c }) => {
    for (const [name, status] of [
      ['a%00b', 412],
      ['%ff', 412],
      ['%c0%ae', 412],
      ['%zz', 201],
      ['o'.repeat(1025), 400],
      [`${'%c3%a9'.repeat(512)}x`, 400],
      ['%c3%a9'.repeat(512), 201],
    ] as const) {
      t.equal((await client.ask('PUT', `${c}/${name}`, { body: 'x' })).status, status, name.slice(0, 12));
    }
    t.equal(
      (await client.ask('PUT', `/${'%c3%a9'.repeat(129)}`, { body: '' })).status,
      400,
      'a container of 258 bytes',
    );
    t.equal((await client.ask('PUT', '/none%2Fb', { body: '' })).status, 404, 'an encoded slash is a slash');
    t.equal((await client.ask('PUT', `${c}%2fx%2Fy`, { body: 'slash' })).status, 201);
    t.equal((await client.ask('GET', `${c}/x/y`)).text, 'slash');
    for (const query of ['prefix=%00', 'marker=%ff', 'delimiter=%00']) {
      t.equal((await client.ask('GET', `${c}?${query}`)).status, 400, query);
    }
    const injected = await client.ask('GET', `${c}/none`, { headers: { 'X-Trans-Id-Extra': 'a b;c=d\x09e' } });
    t.match(injected.headers['x-trans-id'], /^tx[0-9a-f]{21}-[0-9a-f]{10}-[A-Za-z0-9_.~-]+$/);
  },
};
