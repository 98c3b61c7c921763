/** Quotas of containers, set by their owner, and of accounts, set by nobody but a reseller. */
import type { SwiftSuite } from './swift-rig.ts';

export const quotas: SwiftSuite = {
  'a container holds no more than it may': async ({ t, client, c }) => {
    for (const [what, text] of [
      ['Bytes', 'Invalid bytes quota.'],
      ['Count', 'Invalid count quota.'],
    ]) {
      const got = await client.ask('POST', c, { headers: { [`X-Container-Meta-Quota-${what}`]: 'many' } });
      t.match([got.status, got.text], [400, text]);
    }
    await client.ask('POST', c, {
      headers: { 'X-Container-Meta-Quota-Bytes': '10', 'X-Container-Meta-Quota-Count': '2' },
    });
    t.equal((await client.ask('HEAD', c)).headers['x-container-meta-quota-bytes'], '10');
    const full = await client.ask('PUT', `${c}/a`, { body: 'eleven byte' });
    t.match([full.status, full.text], [413, 'Upload exceeds quota.']);
    t.equal(
      (await client.ask('PUT', `${c}/a`, { body: 'eleven byte', chunked: true })).status,
      413,
      'without a length too',
    );
    t.equal((await client.ask('PUT', `${c}/a`, { body: 'ten bytes.' })).status, 201, 'up to the limit');
    t.equal((await client.ask('PUT', `${c}/b`, { body: 'x' })).status, 413);
    const copied = await client.ask('COPY', `${c}/a`, { headers: { Destination: `${c}/b` } });
    t.equal(copied.status, 413, 'nor by a copy');
    t.equal((await client.ask('PUT', `${c}/b`, { body: '' })).status, 201);
    t.equal((await client.ask('PUT', `${c}/d`, { body: '' })).status, 413, 'no third object');
    t.equal((await client.ask('POST', `${c}/a`, { headers: { 'X-Object-Meta-A': '1' } })).status, 202);
    t.equal((await client.ask('DELETE', `${c}/a`)).status, 204, 'what removes is not refused');
    t.equal((await client.ask('PUT', `${c}/a`, { body: 'x' })).status, 201);
    await client.ask('POST', c, {
      headers: { 'X-Remove-Container-Meta-Quota-Count': 'x', 'X-Container-Meta-Quota-Bytes': '' },
    });
    t.equal((await client.ask('PUT', `${c}/e`, { body: 'eleven byte' })).status, 201, 'until the quota is gone');
  },

  'strangers learn nothing of a quota': async ({ t, client, stranger, anonymous, c }) => {
    await client.ask('POST', c, { headers: { 'X-Container-Meta-Quota-Count': '0' } });
    t.equal(
      (await stranger.raw('PUT', `${client.base}${c}/o`, { body: 'x', headers: { 'X-Auth-Token': stranger.token } }))
        .status,
      403,
    );
    t.equal((await anonymous.raw('PUT', `${client.base}${c}/o`, { body: 'x' })).status, 401);
  },

  'an account holds no more than its reseller lets it': async ({ t, client, reseller, c }) => {
    const set = (value: string) => ({ headers: { 'X-Account-Meta-Quota-Bytes': value } });
    t.equal((await client.ask('POST', '', set('1'))).status, 403, 'not for the owner to set');
    t.equal((await client.ask('POST', '', { headers: { 'X-Remove-Account-Meta-Quota-Bytes': 'x' } })).status, 403);
    t.equal((await reseller.ask('POST', '', set('many'))).status, 400);
    t.equal((await reseller.ask('POST', '', set('0'))).status, 204);
    try {
      t.equal((await client.ask('HEAD', '')).headers['x-account-meta-quota-bytes'], '0');
      const full = await client.ask('PUT', `${c}/o`, { body: 'x' });
      t.match([full.status, full.text], [413, 'Upload exceeds quota.']);
      t.equal((await client.ask('POST', '', { headers: { 'X-Account-Meta-Note': 'n' } })).status, 204);
    } finally {
      t.equal((await reseller.ask('POST', '', { headers: { 'X-Remove-Account-Meta-Quota-Bytes': 'x' } })).status, 204);
    }
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'x' })).status, 201);
  },

  'a reseller may do everything everywhere': async ({ t, client, reseller, c }) => {
    t.equal((await reseller.ask('PUT', `${c}/o`, { body: 'by the reseller' })).status, 201);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'by the reseller');
    t.equal((await reseller.ask('GET', '')).status, 200);
    t.equal((await reseller.ask('POST', c, { headers: { 'X-Container-Read': '.r:*' } })).status, 204);
    t.equal((await reseller.ask('DELETE', `${c}/o`)).status, 204);
  },
};
