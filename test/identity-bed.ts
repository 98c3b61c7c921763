/**
 * Identity on a real port over a real store in a temporary directory, with an administrator, and a client that speaks JSON.
 * Passwords are hashed cheaply; everything else is as in production.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bootstrapped, bootstrapIdentity, type CatalogEntry } from '../compute/identity/bootstrap.ts';
import type { IdentitySettings } from '../compute/identity/settings.ts';
import { type IdentityService, startIdentity } from '../compute/identity/start.ts';
import type { ControlStore } from '../control/contract.ts';
import { createMemoryStore, openLmdbStore } from '../control/store/open.ts';
import { type Clock, systemClock } from '../fabric/clock.ts';
import { listen } from '../fabric/http/engine.ts';
import { systemRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';

export const ADMIN_PASSWORD = 'an-admin-of-tests';
const CHEAP = { logN: 4, r: 8, p: 1 };

export interface IdentityBed {
  readonly url: string;
  readonly service: IdentityService;
  readonly store: ControlStore;
  readonly ids: Bootstrapped;
  readonly errors: unknown[];
  readonly directory: string;
  /** Scoped to the project admin. */
  readonly admin: Client;
  client(token?: string): Client;
  /** A token by password; the whole answer is in `answer`. */
  login(user: Record<string, unknown>, scope?: unknown): Promise<{ client: Client; answer: Reply }>;
  stop(): Promise<void>;
}

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of tests are looked at, not typed
  readonly body: any;
  readonly headers: Headers;
}

export interface Client {
  readonly token: string | undefined;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export interface BedOptions {
  readonly settings?: Partial<IdentitySettings>;
  readonly lmdb?: boolean;
  readonly clock?: Clock;
  /** Where it is mounted; `url` has it at its end. */
  readonly prefix?: string;
  readonly endpoints?: (url: string) => readonly CatalogEntry[];
}

export async function startIdentityBed({
  settings = {},
  lmdb = false,
  clock = systemClock,
  prefix = '',
  endpoints,
}: BedOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'needletail-identity-'));
  mkdirSync(join(directory, 'store'));
  const store = lmdb
    ? await openLmdbStore({ path: join(directory, 'store'), clock })
    : createMemoryStore({ clock, runTwice: true });
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const service = await startIdentity(
    { directory, prefix, settings: { passwordCost: CHEAP, ...settings } },
    { store, clock, random: systemRandom, disk: systemDisk, onError },
  );
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await listen('node', service.handler, address, { clock: systemClock, onError });
  const url = `http://127.0.0.1:${listener.port}${prefix}`;
  const ids = await bootstrapIdentity(service.identity, {
    adminPassword: ADMIN_PASSWORD,
    regions: ['RegionTwo'],
    endpoints: endpoints?.(url) ?? [
      { type: 'identity', name: 'keystone', region: 'RegionOne', url: `${url}/v3` },
      { type: 'object-store', name: 'swift', region: 'RegionOne', url: 'http://swift/v1/AUTH_%(project_id)s' },
      { type: 'object-store', name: 'swift', region: 'RegionTwo', url: 'http://swift2/v1/AUTH_%(project_id)s' },
    ],
  });
  const client = (token?: string): Client => ({
    token,
    async call(method, path, body, headers = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { 'x-auth-token': token }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
    },
  });
  const login: IdentityBed['login'] = async (user, scope) => {
    const auth = { identity: { methods: ['password'], password: { user } }, ...(scope === undefined ? {} : { scope }) };
    const answer = await client().call('POST', '/v3/auth/tokens', { auth });
    return { client: client(answer.headers.get('x-subject-token') ?? undefined), answer };
  };
  const { client: admin } = await login(ADMIN, ADMIN_SCOPE);
  const stop = async (): Promise<void> => {
    await listener.drain(100);
    service.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { url, service, store, ids, errors, directory, admin, client, login, stop } satisfies IdentityBed;
}

export const ADMIN = { name: 'admin', domain: { id: 'default' }, password: ADMIN_PASSWORD };
export const ADMIN_SCOPE = { project: { name: 'admin', domain: { name: 'Default' } } };
