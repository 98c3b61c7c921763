/** Accounts that a reseller makes and deletes: what they answer before, during and after. */
import type { Answer, Rig, Sent, SwiftSuite } from './swift-rig.ts';

const REAPED_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

type Ask = (method: string, path?: string, sent?: Sent) => Promise<Answer>;

/** As the reseller, below an account of this test's own. */
function asker({ reseller, c }: Pick<Rig, 'reseller' | 'c'>): Ask {
  const base = `/v1/AUTH_made${c.slice(1)}`;
  return (method, path = '', sent = {}) =>
    reseller.raw(method, base + path, {
      ...(method === 'PUT' && sent.body === undefined ? { body: '' } : {}),
      ...sent,
      headers: { 'X-Auth-Token': reseller.token, ...sent.headers },
    });
}

const short = ({ status, headers, text }: Answer): unknown[] => [status, headers['x-account-status'], text];

async function untilReaped(ask: Ask): Promise<boolean> {
  for (const end = Date.now() + REAPED_WITHIN_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    if ((await ask('HEAD')).status === 204) return true;
  }
  return false;
}

export const accounts: SwiftSuite = {
  'only a reseller makes and deletes accounts': async ({ t, client, stranger, anonymous }) => {
    for (const method of ['PUT', 'DELETE']) {
      const sent = method === 'PUT' ? { body: '' } : {};
      t.equal((await client.ask(method, '', sent)).status, 403, `${method} by the owner`);
      t.equal((await stranger.raw(method, client.base, { headers: { 'X-Auth-Token': stranger.token } })).status, 403);
      t.equal((await anonymous.raw(method, client.base, sent)).status, 401);
    }
  },

  'PUT makes an account, once': async (rig) => {
    const { t } = rig;
    const ask = asker(rig);
    t.equal((await ask('DELETE')).status, 404, 'there is none yet');
    t.same(short(await ask('PUT', '', { headers: { 'X-Account-Meta-A': '1' } })), [201, undefined, '']);
    t.equal((await ask('PUT', '', { headers: { 'X-Account-Meta-B': '2' } })).status, 202);
    const { headers } = await ask('HEAD');
    t.match(headers, { 'x-account-meta-a': '1', 'x-account-meta-b': '2', 'x-account-container-count': '0' });
    t.equal((await ask('PUT', '', { headers: { 'X-Account-Meta-Quota-Bytes': 'many' } })).status, 400);
    const bare = await rig.reseller.raw('PUT', '/v1/foo', {
      body: '',
      headers: { 'X-Auth-Token': rig.reseller.token },
    });
    t.equal(bare.status, 403, 'not without a prefix');
    const long = await rig.reseller.raw('PUT', `/v1/AUTH_${'a'.repeat(252)}`, {
      body: '',
      headers: { 'X-Auth-Token': rig.reseller.token },
    });
    t.same([long.status, long.text], [400, 'Account name length of 257 longer than 256']);
  },

  'DELETE ends an account with all that is in it': async (rig) => {
    const { t } = rig;
    const ask = asker(rig);
    for (const path of ['', '/c', '/c/o', '/d']) t.equal((await ask('PUT', path)).status, 201);
    await ask('PUT', '/c/dir/p', { body: 'x'.repeat(100_000) });
    t.equal((await ask('DELETE', '?format=json')).status, 400, 'not by a mistyped query');
    t.same(short(await ask('DELETE')), [204, 'Deleted', '']);
    // Where reaping takes longer than the questions.
    const states = await Promise.all([ask('GET'), ask('HEAD'), ask('POST'), ask('DELETE'), ask('PUT')]);
    const expected = [410, 410, 404, 404, 403];
    states.forEach((answer, i) => {
      if (answer.headers['x-account-status'] !== 'Deleted') return;
      t.same(short(answer), [expected[i], 'Deleted', i === 4 ? 'Recently deleted' : '']);
    });
    for (const path of ['/c', '/c/o', '/d', '/c/dir/p']) {
      t.equal((await ask('GET', path)).status, 404, `GET ${path}`);
      t.equal((await ask('POST', path)).status, 404, `POST ${path}`);
    }
    t.equal((await ask('PUT', '/c/late', { body: 'x' })).status, 404);
    t.ok(await untilReaped(ask), 'reaped');
    t.same((await ask('GET')).text, '', 'nothing is left');
  },

  'an account that was reaped starts afresh with its first container': async (rig) => {
    const { t } = rig;
    const ask = asker(rig);
    await ask('PUT', '', { headers: { 'X-Account-Meta-Old': '1' } });
    await ask('PUT', '/c');
    await ask('PUT', '/c/old', { body: 'old' });
    t.equal((await ask('DELETE')).status, 204);
    t.ok(await untilReaped(ask));
    t.equal((await ask('PUT', '/c')).status, 201, 'made anew');
    t.equal((await ask('GET', '/c/old')).status, 404);
    t.equal((await ask('PUT', '/c/new', { body: 'new' })).status, 201);
    t.equal((await ask('GET', '/c')).text, 'new\n');
    const { headers } = await ask('HEAD');
    t.match([headers['x-account-container-count'], headers['x-account-meta-old']], ['1', undefined]);
    t.equal((await ask('DELETE', '/c/new')).status, 204);
    t.equal((await ask('DELETE', '/c')).status, 204);
  },

  'what a deleted account’s writers were told is true of the account they wrote to': async (rig) => {
    const { t } = rig;
    const ask = asker(rig);
    t.equal((await ask('PUT', '/c')).status, 201);
    let deleted = false;
    const kept: string[] = [];
    const write = async (writer: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const container = `/w${writer}-${i}`;
        // Begun in the account's second life: whatever is acknowledged from here on must stay.
        const isNew = deleted && (await ask('HEAD')).status === 204;
        const made = (await ask('PUT', container)).status;
        const put = (await ask('PUT', `${container}/o`, { body: container })).status;
        if (isNew && (made === 201 || made === 202) && put === 201) kept.push(container);
      }
    };
    const writers = [0, 1, 2].map(write);
    t.equal((await ask('DELETE')).status, 204);
    deleted = true;
    await Promise.all(writers);
    t.ok(await untilReaped(ask));
    const listed = (await ask('GET')).text.split('\n');
    for (const container of kept) {
      t.ok(listed.includes(container.slice(1)), `${container} is listed`);
      t.equal((await ask('GET', `${container}/o`)).text, container);
    }
    for (const container of listed.filter((name) => name !== '')) {
      t.equal((await ask('GET', `/${container}`)).status < 300, true, 'what is listed is there');
    }
  },
};
