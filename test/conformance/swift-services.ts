/** Service tokens: accounts that open for an owner and a service together. */
import { SwiftClient, type SwiftSuite } from './swift-rig.ts';

export const services: SwiftSuite = {
  'an account of a service opens for both together': async ({ t, server, client, stranger }) => {
    if (!server.service) return void t.pass('no service here');
    const agent = client.agent;
    const service = new SwiftClient(server, agent);
    await service.login(server.service);
    const path = client.base.replace('AUTH_', 'SERVICE_');
    const ask = (method: string, token: string, extra = ''): Promise<number> =>
      client
        .raw(method, `${path}/images`, {
          headers: { 'X-Auth-Token': token, ...(extra ? { 'X-Service-Token': extra } : {}) },
          ...(method === 'PUT' ? { body: '' } : {}),
        })
        .then(({ status }) => status);
    t.equal(await ask('PUT', client.token), 403, 'not for the owner alone');
    t.equal(await ask('PUT', service.token), 403, 'nor for the service');
    t.equal(await ask('PUT', client.token, client.token), 403, 'a user is no service');
    t.equal(await ask('PUT', stranger.token, service.token), 403, 'nor is a stranger the owner');
    t.equal(await ask('PUT', client.token, service.token), 201);
    t.equal(await ask('GET', client.token, service.token), 204);
    t.equal(await ask('GET', client.token, 'AUTH_tkforged'), 403);
    t.equal(await ask('DELETE', client.token, service.token), 204);
  },

  'a service has its own groups beside the user’s': async ({ t, server, client, stranger, c }) => {
    if (!server.service) return void t.pass('no service here');
    const service = new SwiftClient(server, client.agent);
    await service.login(server.service);
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    await client.ask('POST', c, { headers: { 'X-Container-Read': 'glance:glance' } });
    const get = (extra: Record<string, string>): Promise<number> =>
      client
        .raw('GET', `${client.base}${c}/o`, { headers: { 'X-Auth-Token': stranger.token, ...extra } })
        .then(({ status }) => status);
    t.equal(await get({}), 403);
    t.equal(await get({ 'X-Service-Token': service.token }), 200);
  },
};
