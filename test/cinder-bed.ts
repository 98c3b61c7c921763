/**
 * Cinder on a real port over a store in memory, with fake hosts or given ones, and a client that speaks JSON. Tokens are words:
 * `PROJECT/ROLE`, so that a test says who asks.
 */
import type { HostLink } from '../block/cinder/model/hosts.ts';
import type { CinderSettings } from '../block/cinder/settings.ts';
import { type CinderService, startCinder } from '../block/cinder/start.ts';
import type { Authenticate, ControlStore, Credentials } from '../control/contract.ts';
import { createMemoryStore } from '../control/store/open.ts';
import { systemClock } from '../fabric/clock.ts';
import { listen } from '../fabric/http/engine.ts';
import { systemRandom } from '../fabric/random.ts';
import type { Peer } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { FakeObjectStore, FakeVolumeAgent } from './fake-volume-agent.ts';

const WAIT_MS = 60_000;
const ROLES: Readonly<Record<string, readonly string[]>> = {
  admin: ['admin', 'manager', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
  none: [],
};

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of tests are looked at, not typed
  readonly body: any;
  readonly headers: Headers;
}

export interface CinderClient {
  readonly project: string;
  /** `path` is behind /v3/{project}, or absolute with `raw`. */
  call(method: string, path: string, body?: unknown, version?: string): Promise<Reply>;
  raw(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** As `call`, and the status must be below 300. */
  ok(method: string, path: string, body?: unknown, version?: string): Promise<Reply['body']>;
  /** Until the thing at `path` has this status, or is gone. */
  until(path: string, status: string | 404): Promise<Reply['body']>;
}

export interface CinderBed {
  readonly url: string;
  readonly service: CinderService;
  readonly store: ControlStore;
  readonly objects: FakeObjectStore;
  readonly agents: readonly FakeVolumeAgent[];
  readonly errors: unknown[];
  client(project: string, role?: string): CinderClient;
  stop(): Promise<void>;
}

export interface CinderBedOptions {
  readonly hosts?: readonly string[];
  readonly zones?: Readonly<Record<string, string>>;
  readonly settings?: Partial<CinderSettings>;
  readonly store?: ControlStore;
  readonly agents?: readonly FakeVolumeAgent[];
  readonly objects?: FakeObjectStore;
  /** Real ones instead. */
  readonly links?: ReadonlyMap<string, HostLink>;
  /** Instead of words for tokens. */
  readonly authenticate?: Authenticate;
}

export function tokenCredentials(token: string): Credentials | undefined {
  const [projectId, role = ''] = token.split('/');
  const roles = ROLES[role];
  return roles && projectId ? { userId: `user-of-${projectId}`, projectId, roles } : undefined;
}

export async function startCinderBed(options: CinderBedOptions = {}): Promise<CinderBed> {
  const { hosts = ['h1', 'h2'], zones = {}, settings = {}, authenticate = tokenCredentials } = options;
  const objects = options.objects ?? new FakeObjectStore();
  const agents = options.agents ?? hosts.map((host) => new FakeVolumeAgent(host, objects));
  const store = options.store ?? createMemoryStore({ clock: systemClock });
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const peers: Peer[] = [];
  const link = (agent: FakeVolumeAgent): [string, HostLink] => {
    const peer = createLocalPeer(agent.host, agent.handlers, { clock: systemClock });
    peers.push(peer);
    const zone = zones[agent.host];
    return [agent.host, { peer, ...(zone === undefined ? {} : { zone }) }];
  };
  const service = await startCinder(
    { holder: 'cinder-test', hosts: options.links ?? new Map(agents.map(link)), settings },
    { store, clock: systemClock, random: systemRandom, onError, authenticate },
  );
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await listen('node', service.handler, address, { clock: systemClock, onError });
  const url = `http://127.0.0.1:${listener.port}`;
  return {
    ...{ url, service, store, objects, agents, errors },
    client: (project, role = 'member') => makeClient(url, project, role),
    async stop() {
      await listener.drain(100);
      await service.stop();
      for (const peer of peers) await peer.close();
      if (options.store === undefined) await store.close();
    },
  };
}

function makeClient(url: string, project: string, role: string): CinderClient {
  const raw: CinderClient['raw'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        'x-auth-token': `${project}/${role}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
  };
  const call: CinderClient['call'] = (method, path, body, version = '3.70') =>
    raw(method, `/v3/${project}${path}`, body, { 'openstack-api-version': `volume ${version}` });
  return {
    ...{ project, raw, call },
    async ok(method, path, body, version) {
      const reply = await call(method, path, body, version);
      if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
      return reply.body;
    },
    async until(path, status) {
      const endMs = performance.now() + WAIT_MS;
      for (;;) {
        const { status: code, body } = await call('GET', path);
        const [thing] = Object.values(body ?? {}) as { status?: string }[];
        if (status === 404 ? code === 404 : thing?.status === status) return thing;
        if (performance.now() > endMs) throw new Error(`${path} never became ${status}: ${JSON.stringify(body)}`);
        await systemClock.sleep(5);
      }
    },
  };
}
