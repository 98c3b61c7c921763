/** Account ACLs: what one account lets the users of another do. */
import type { Rig, SwiftSuite } from './swift-rig.ts';

const set = ({ client }: Rig, acl: unknown) =>
  client.ask('POST', '', {
    headers: { 'X-Account-Access-Control': typeof acl === 'string' ? acl : JSON.stringify(acl) },
  });

/** Status of a request by the stranger about the owner's account. */
async function ask({ stranger, client }: Rig, method: string, path: string, headers: Record<string, string> = {}) {
  const sent = method === 'GET' || method === 'HEAD' ? {} : { body: '' };
  return stranger.raw(method, client.base + path, { ...sent, headers: { 'X-Auth-Token': stranger.token, ...headers } });
}

async function statuses(rig: Rig): Promise<Record<string, number>> {
  const { c } = rig;
  const found: Record<string, number> = {};
  for (const [what, method, path] of [
    ['list account', 'GET', ''],
    ['list', 'GET', c],
    ['read', 'GET', `${c}/o`],
    ['write', 'PUT', `${c}/new`],
    ['delete', 'DELETE', `${c}/new`],
    ['make', 'PUT', `${c}-new`],
    ['change', 'POST', `${c}-new`],
    ['remove', 'DELETE', `${c}-new`],
    ['post account', 'POST', ''],
  ] as const) {
    found[what] = (await ask(rig, method, path)).status;
  }
  return found;
}

const READS = { 'list account': 200, list: 200, read: 200 };
const WRITES = { write: 201, delete: 204, make: 201, change: 204, remove: 204 };
const NO_WRITES = { write: 403, delete: 403, make: 403, change: 403, remove: 403 };

export const accountAcls: SwiftSuite = {
  'each role may do its part and no more': async (rig) => {
    const { t, client, server, c } = rig;
    const who = server.stranger.user;
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    await client.ask('POST', '', { headers: { 'X-Account-Meta-Temp-URL-Key': 'secret' } });
    const nothing = { 'list account': 403, list: 403, read: 403, ...NO_WRITES, 'post account': 403 };
    try {
      t.same(await statuses(rig), nothing);
      t.equal((await set(rig, { 'read-only': [who] })).status, 204);
      t.same(await statuses(rig), { ...READS, ...NO_WRITES, 'post account': 403 }, 'read-only');
      const seen = (await ask(rig, 'HEAD', '')).headers;
      t.match([seen['x-account-access-control'], seen['x-account-meta-temp-url-key']], [undefined, undefined]);
      await set(rig, { 'read-write': [who.split(':')[0]] });
      t.same(await statuses(rig), { ...READS, ...WRITES, 'post account': 403 }, 'read-write, by account');
      const grab = await ask(rig, 'POST', c, { 'X-Container-Read': '.r:*' });
      t.equal(grab.status, 403, 'who else may read is the owner’s to say');
      t.equal((await ask(rig, 'POST', c, { 'X-Container-Meta-Temp-URL-Key': 'mine' })).status, 403);
      await set(rig, { admin: [who] });
      t.same(await statuses(rig), { ...READS, ...WRITES, 'post account': 204 }, 'admin');
      t.equal((await ask(rig, 'HEAD', '')).headers['x-account-meta-temp-url-key'], 'secret');
      t.equal((await client.ask('HEAD', '')).headers['x-account-access-control'], JSON.stringify({ admin: [who] }));
      t.equal((await set(rig, {})).status, 204);
      t.same(await statuses(rig), nothing, 'taken back');
    } finally {
      const headers = { 'X-Account-Access-Control': '', 'X-Remove-Account-Meta-Temp-URL-Key': 'x' };
      await client.ask('POST', '', { headers });
    }
  },

  'what is no account ACL is 400': async (rig) => {
    const { t, client } = rig;
    for (const acl of ['x', '[]', '"a"', 'null', '{"admin": "a"}', '{"admin": [1]}', '{"owner": []}', '{"admin": [']) {
      const got = await set(rig, acl);
      t.equal(got.status, 400, acl);
      t.match(got.text, 'X-Account-Access-Control invalid: ');
    }
    t.equal((await client.ask('HEAD', '')).headers['x-account-access-control'], undefined);
    t.same(JSON.parse((await client.raw('GET', '/info')).text).tempauth, { account_acls: true });
  },
};
