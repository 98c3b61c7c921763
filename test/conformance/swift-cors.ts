/** Cross-origin requests: a container's owner says which sites' scripts may read the answers. */
import type { SwiftSuite } from './swift-rig.ts';

const ORIGIN = 'https://site.example';
const start = 'X-Container-Meta-Access-Control';

export const cors: SwiftSuite = {
  'a preflight is answered as the container says': async ({ t, client, anonymous, c }) => {
    const ask = (path: string, origin: string, method = 'PUT', more: Record<string, string> = {}) =>
      anonymous.raw('OPTIONS', client.base + path, {
        headers: { Origin: origin, 'Access-Control-Request-Method': method, ...more },
      });
    t.equal((await ask(`${c}/o`, ORIGIN)).status, 401, 'nothing is allowed unless somebody says so');
    await client.ask('POST', c, {
      headers: { [`${start}-Allow-Origin`]: `https://other.example ${ORIGIN}`, [`${start}-Max-Age`]: '60' },
    });
    for (const path of [c, `${c}/o`]) {
      const got = await ask(path, ORIGIN, 'PUT', { 'Access-Control-Request-Headers': 'x-auth-token, X-Other' });
      t.equal(got.status, 200, path);
      t.match(got.headers, {
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-headers': 'x-auth-token, X-Other',
        'access-control-max-age': '60',
        vary: 'Origin, Access-Control-Request-Headers',
      });
      t.match(got.headers['access-control-allow-methods'], /GET.*PUT/);
      t.equal(got.headers['access-control-allow-methods'], got.headers['allow']);
    }
    t.equal((await ask(`${c}/o`, 'https://evil.example')).status, 401);
    t.equal((await ask(`${c}/o`, `${ORIGIN}.evil.example`)).status, 401);
    t.equal((await ask(`${c}/o`, ORIGIN, 'PATCH')).status, 401);
    t.equal((await ask(`${c}-none/o`, ORIGIN)).status, 401, 'no container');
    const plain = await anonymous.raw('OPTIONS', `${client.base}${c}/o`);
    t.match([plain.status, plain.headers['access-control-allow-origin']], [200, undefined]);
    await client.ask('POST', c, { headers: { [`${start}-Allow-Origin`]: '*' } });
    const any = await ask(`${c}/o`, 'https://any.example');
    t.match([any.status, any.headers['access-control-allow-origin'], any.headers['vary']], [200, '*', undefined]);
  },

  'an answer to an allowed origin says so': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x', headers: { 'X-Object-Meta-A': '1' } });
    const get = (path: string, origin: string) => client.ask('GET', path, { headers: { Origin: origin } });
    t.equal((await get(`${c}/o`, ORIGIN)).headers['access-control-allow-origin'], undefined);
    await client.ask('POST', c, {
      headers: { [`${start}-Allow-Origin`]: ORIGIN, [`${start}-Expose-Headers`]: 'X-Mine X-Yours' },
    });
    const got = await get(`${c}/o`, ORIGIN);
    t.match([got.status, got.text], [200, 'x']);
    t.match(got.headers, { 'access-control-allow-origin': ORIGIN, vary: 'Origin' });
    for (const name of ['etag', 'x-trans-id', 'x-object-meta-a', 'x-mine', 'x-yours']) {
      t.ok(got.headers['access-control-expose-headers']?.split(', ').includes(name), name);
    }
    t.equal((await get(`${c}/none`, ORIGIN)).headers['access-control-allow-origin'], ORIGIN, 'of a failure too');
    t.match((await get(c, ORIGIN)).headers['vary'], 'Accept, Origin');
    t.equal((await get(`${c}/o`, 'https://evil.example')).headers['access-control-allow-origin'], undefined);
    t.equal((await get(`${c}/o`, 'null')).headers['access-control-allow-origin'], undefined);
    t.equal((await get('', ORIGIN)).headers['access-control-allow-origin'], undefined, 'an account has no such rule');
  },
};
