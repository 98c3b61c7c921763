/** What a plain user of an account may do: nothing, until a container's ACL says so. */
import { assert } from '../../fabric/assert.ts';
import type { SwiftSuite } from './swift-rig.ts';

export const rights: SwiftSuite = {
  'a member sees only what an ACL grants': async ({ t, client, member, server, c }) => {
    assert(member !== undefined && server.member !== undefined, 'this suite needs a member');
    const status = async (method: string, path: string): Promise<number> =>
      (await member.ask(method, path, { body: '' })).status;
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['GET', c],
      ['HEAD', c],
      ['PUT', `${c}-new`],
      ['GET', `${c}/o`],
      ['PUT', `${c}/o`],
      ['POST', `${c}/o`],
      ['DELETE', `${c}/o`],
    ] as const) {
      t.equal(await status(method, path), 403, `${method} ${path}`);
    }
    await client.ask('POST', c, { headers: { 'X-Container-Read': server.member.user } });
    t.equal((await member.ask('GET', c)).text, 'o\n', 'a named reader may list');
    t.equal((await member.ask('GET', `${c}/o`)).text, 'x');
    t.equal(await status('PUT', `${c}/o`), 403);
    await client.ask('POST', c, { headers: { 'X-Container-Write': server.member.user } });
    t.equal(await status('PUT', `${c}/p`), 201);
    t.equal(await status('DELETE', `${c}/p`), 204);
    t.equal(await status('POST', c), 403, 'but the container stays the owner’s');
    t.equal(await status('DELETE', c), 403);
    const { headers } = await member.ask('HEAD', c);
    t.match([headers['x-container-read'], headers['x-container-write']], [undefined, undefined], 'and so do its ACLs');
    await client.ask('POST', c, { headers: { 'X-Remove-Container-Read': 'x', 'X-Remove-Container-Write': 'x' } });
    t.equal(await status('GET', `${c}/o`), 403, 'a right taken back is gone');
  },

  'a copy needs the right to read there and to write here': async ({ t, client, member, server, c }) => {
    assert(member !== undefined && server.member !== undefined, 'this suite needs a member');
    const to = `${c}-to`;
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    await client.ask('PUT', to, { headers: { 'X-Container-Write': server.member.user } });
    const copy = async (): Promise<number> =>
      (await member.ask('COPY', `${c}/o`, { headers: { Destination: `${to}/o` } })).status;
    t.equal(await copy(), 403);
    await client.ask('POST', c, { headers: { 'X-Container-Read': server.member.user } });
    t.equal(await copy(), 201);
  },
};
