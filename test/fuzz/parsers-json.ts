/** JSON bodies of the OpenStack services, at every route that takes one, by an administrator: nothing is refused for rights. */
import assert from 'node:assert';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
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
  readonly errors: readonly unknown[];
  readonly stop: () => Promise<void>;
}

export function jsonParser(name: string, start: () => Promise<JsonService>): FuzzParser {
  return {
    name,
    async open() {
      const { handler, token, requests, seeds, words, errors, stop } = await start();
      const ask = async (input: Buffer, random: Random): Promise<string> => {
        const [method = '', path = ''] = pick(random, requests).split(' ');
        const filled = path.replace(/\{(\w+)\}/g, () => pick(random, ['default', 'none', 'a'.repeat(32), '%00', '..']));
        const headers = {
          'content-type': 'application/json',
          'x-auth-token': token,
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
  const takers = bed.service.operations.filter(({ request }) => /^(POST|PUT|PATCH) /.test(request));
  return {
    handler: bed.service.handler,
    token: bed.admin.token ?? '',
    requests: takers.map(({ request }) => request),
    seeds: IDENTITY_BODIES.map((body) => JSON.stringify(body)),
    words: ['"id"', '"name"', '"domain"', '"enabled"', '{}', '[]', '"default"', '1.5'],
    errors: bed.errors,
    stop: bed.stop,
  };
});

export const JSON_PARSERS: readonly FuzzParser[] = [identity];
