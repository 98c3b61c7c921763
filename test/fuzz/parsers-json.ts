/** JSON bodies of the OpenStack services, at every route that takes one, by an administrator: nothing is refused for rights. */
import assert from 'node:assert';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
import { startCinderBed } from '../cinder-bed.ts';
import { startIdentityBed } from '../identity-bed.ts';
import { bodyOf, makeRequest } from '../s3-signer.ts';
import type { FuzzParser } from './contract.ts';
import { pick } from './mutate.ts';

export interface JsonService {
  readonly handler: HttpHandler;
  readonly token: string;
  /** `POST /v3/users`. */
  readonly requests: readonly string[];
  readonly seeds: readonly string[];
  readonly words: readonly string[];
  /** Of what is there, for places in paths. */
  readonly ids: readonly string[];
  readonly errors: readonly unknown[];
  readonly stop: () => Promise<void>;
}

export function jsonParser(name: string, start: () => Promise<JsonService>): FuzzParser {
  return {
    name,
    async open() {
      const { handler, token, requests, seeds, words, ids, errors, stop } = await start();
      const ask = async (input: Buffer, random: Random): Promise<string> => {
        const [method = '', path = ''] = pick(random, requests).split(' ');
        const filled = path.replace(/\{(\w+)\}/g, () => pick(random, [...ids, 'none', 'a'.repeat(32), '%00', '..']));
        const headers = {
          'content-type': 'application/json',
          'x-auth-token': token,
          'openstack-api-version': 'volume 3.70',
          'content-length': String(input.length),
        };
        const answer = await handler(
          makeRequest({ method, path: filled, headers, body: bodyOf(input.length === 0 ? [] : [input]) }),
        );
        assert.deepStrictEqual(errors, [], `no bug at ${method} ${filled}`);
        assert.ok(answer.status < 500 || answer.status === 501, `${answer.status} at ${method} ${filled}`);
        return String(answer.status);
      };
      let turn = 0;
      // One input after another meets another route, and the same again when it is tried again.
      const run = (input: Buffer, random: Random): Promise<string> => {
        for (let skip = (turn++ + input.length) % requests.length; skip > 0; skip--) random.below(2);
        return ask(input, random);
      };
      return { name, seeds, words, codes: new Set(), run, close: stop };
    },
  };
}

const IDENTITY_BODIES = [
  {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name: 'admin', domain: { id: 'default' }, password: 'x' } },
      },
      scope: { project: { name: 'admin', domain: { id: 'default' } } },
    },
  },
  { auth: { identity: { methods: ['token'], token: { id: 'gAAAAA' } }, scope: 'unscoped' } },
  { user: { name: 'u', password: 'p', domain_id: 'default', enabled: true, options: {}, default_project_id: null } },
  { project: { name: 'p', domain_id: 'default', tags: ['a'], parent_id: null, options: {} } },
  { domain: { name: 'd', enabled: false } },
  { group: { name: 'g', description: 'x' } },
  { role: { name: 'r', domain_id: null } },
  { credential: { type: 'ec2', blob: '{"access":"a","secret":"b"}', user_id: 'u', project_id: 'p' } },
  { endpoint: { interface: 'public', url: 'http://x', service_id: 's', region_id: 'RegionOne' } },
  { service: { type: 't', name: 'n' } },
  { region: { id: 'r', parent_region_id: null } },
  {
    application_credential: {
      name: 'a',
      roles: [{ name: 'member' }],
      expires_at: '2030-01-01T00:00:00Z',
      access_rules: [{ path: '/v3/**', method: 'GET', service: 'volume' }],
    },
  },
  { limits: [{ service_id: 's', resource_name: 'n', resource_limit: 5 }] },
  { ec2Credentials: { access: 'a', signature: 's', host: 'h', verb: 'GET', path: '/', params: {} } },
];

const identity = jsonParser('json-identity', async () => {
  const bed = await startIdentityBed();
  const made = async (path: string, body: Record<string, { name: string }>): Promise<string> => {
    const { body: answer } = await bed.admin.call('POST', path, body);
    return (Object.values(answer)[0] as { id: string }).id;
  };
  const ids = [
    await made('/v3/projects', { project: { name: 'fuzzed' } }),
    await made('/v3/users', { user: { name: 'fuzzed' } }),
    await made('/v3/groups', { group: { name: 'fuzzed' } }),
    await made('/v3/roles', { role: { name: 'fuzzed' } }),
    await made('/v3/domains', { domain: { name: 'fuzzed' } }),
  ];
  const takers = bed.service.operations.filter(({ request }) => /^(POST|PUT|PATCH) /.test(request));
  return {
    handler: bed.service.handler,
    token: bed.admin.token ?? '',
    requests: takers.map(({ request }) => request),
    seeds: IDENTITY_BODIES.map((body) => JSON.stringify(body)),
    words: ['"id"', '"name"', '"domain"', '"enabled"', '{}', '[]', '"default"', '1.5'],
    ids,
    errors: bed.errors,
    stop: bed.stop,
  };
});

const CINDER_BODIES = [
  {
    volume: {
      size: 1,
      name: 'v',
      description: null,
      metadata: { a: 'b' },
      availability_zone: 'nova',
      volume_type: null,
      snapshot_id: null,
      source_volid: null,
      multiattach: false,
    },
  },
  { snapshot: { volume_id: 'v', name: 's', force: true, metadata: {} } },
  { backup: { volume_id: 'v', name: 'b', incremental: false, container: 'c' } },
  { restore: { volume_id: null, name: 'r' } },
  { 'os-extend': { new_size: 2 } },
  { 'os-attach': { instance_uuid: 'i', mountpoint: '/dev/vda' } },
  { 'os-reset_status': { status: 'error' } },
  { 'os-set_bootable': { bootable: 'true' } },
  {
    attachment: {
      instance_uuid: 'i',
      volume_uuid: 'v',
      connector: { initiator: 'iqn', ip: '1.2.3.4', host: 'h', multipath: false },
    },
  },
  { volume_type: { name: 't', extra_specs: { a: 'b' }, 'os-volume-type-access:is_public': true } },
  { extra_specs: { a: '<is> True' } },
  { quota_set: { volumes: 5, gigabytes: -1 } },
  { qos_specs: { name: 'q', consumer: 'back-end' } },
  { transfer: { volume_id: 'v', name: 't' } },
  { group_type: { name: 'g', is_public: true, group_specs: { a: 'b' } } },
  { group: { name: 'g', group_type: 'g', volume_types: ['__DEFAULT__'], add_volumes: 'v,w', remove_volumes: 'v' } },
  { 'create-from-src': { source_group_id: 'g', name: 'g' } },
  { delete: { 'delete-volumes': true } },
  { group_snapshot: { group_id: 'g', name: 's' } },
  { encryption: { provider: 'luks', control_location: 'front-end', key_size: 256, cipher: null } },
  { metadata: { a: 'b' } },
];

const cinder = jsonParser('json-cinder', async () => {
  const bed = await startCinderBed();
  const client = bed.client('fuzzed', 'admin');
  const { volume } = await client.ok('POST', '/volumes', { volume: { size: 1, name: 'fuzzed' } });
  const takers = bed.service.operations.filter(({ request }) => /^(POST|PUT|PATCH) /.test(request));
  return {
    handler: bed.service.handler,
    token: 'fuzzed/admin',
    requests: takers.map(({ request }) => request.replace('{project_id}', 'fuzzed')),
    seeds: CINDER_BODIES.map((body) => JSON.stringify(body)),
    words: ['"id"', '"name"', '"size"', '"metadata"', '{}', '[]', 'null', '"os-'],
    ids: [volume.id],
    errors: bed.errors,
    stop: bed.stop,
  };
});

export const JSON_PARSERS: readonly FuzzParser[] = [identity, cinder];
