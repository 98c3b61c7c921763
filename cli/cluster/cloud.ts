/**
 * The cloud of this process: identity, whose tokens and keys the proxy takes, the volumes of this host, Cinder; those of them
 * that are configured. Beside a store it sleeps until somebody asks for it, and costs nothing so long; a cluster where it was
 * ever used wakes it at every start, because volumes and tasks may be waiting. Ends before the proxy does.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { VOLUME_METHODS } from '../../block/volumes/contract.ts';
import type { TokenVerifier } from '../../compute/identity/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { CallContext, Handlers, Reply } from '../../fabric/rpc/contract.ts';
import type { RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { KEYSTONE_ROLES, Keystone } from '../../proxy/auth/keystone.ts';
import { writeCloudFiles } from './cloud-files.ts';
import type { CloudCredentials, CloudOptions, CloudUrls } from './cloud-options.ts';
import { IDENTITY_PREFIX, IMAGE_PREFIX, VOLUME_PREFIX } from './cloud-places.ts';
import type { CloudServices } from './cloud-services.ts';
import type { ClusterOptions } from './config.ts';
import { withMounts } from './mounts.ts';
import { listenForVolumeCalls, readVolumesLink } from './volume-calls.ts';

/** Fault BadConfig for configured files that cannot be used: before anything starts. */
export async function checkCloudFiles(config: ClusterOptions): Promise<void> {
  const { identityLink, volumeHosts, identityPolicy, volumePolicy } = config;
  if (identityLink !== undefined) (await import('./identity-link.ts')).readIdentityLink(identityLink);
  const hosts = new Set<string>();
  for (const { link: file } of volumeHosts) {
    const { volumeHost } = readVolumesLink(file);
    if (hosts.has(volumeHost)) throw new Fault('BadConfig', { file }, `volume-hosts: ${file} is there twice`);
    hosts.add(volumeHost);
  }
  if (identityPolicy === undefined && volumePolicy === undefined) return;
  const { readPolicy } = await import('./policy-files.ts');
  readPolicy('identity', identityPolicy);
  readPolicy('volume', volumePolicy);
}

/** Beside the store's own port: what is mounted there for each service. */
const MOUNTS = [
  { service: 'cinder', prefix: VOLUME_PREFIX, of: ({ volume }: CloudServices) => volume },
  { service: 'cinder', prefix: IMAGE_PREFIX, of: ({ image }: CloudServices) => image },
  { service: 'identity', prefix: IDENTITY_PREFIX, of: ({ identity }: CloudServices) => identity },
] as const;

/** What the proxy asks before it knows any URL. */
export class Cloud {
  readonly keystone: Keystone;
  readonly #options: CloudOptions;
  readonly #opened: Promise<{ urls: CloudUrls; credentials: CloudCredentials }>;
  #markOpened!: (opened: { urls: CloudUrls; credentials: CloudCredentials }) => void;
  #waking: Promise<CloudServices> | undefined;
  #awake: CloudServices | undefined;
  #listeners: readonly RpcListener[] = [];

  constructor(options: CloudOptions) {
    this.#options = options;
    this.#opened = new Promise((resolve) => {
      this.#markOpened = resolve;
    });
    this.keystone = new Keystone({ verifier: this.#verifier(), ...KEYSTONE_ROLES });
  }

  /** The main port's handler with the cloud's services in front. */
  mount(rest: HttpHandler): HttpHandler {
    const { services } = this.#options.config;
    const mounts = MOUNTS.filter(({ service }) => services.includes(service));
    return withMounts(
      mounts.map(({ prefix, of }) => ({ prefix, handler: this.#handler(of) })),
      rest,
    );
  }

  /** Clients' files are written, volumes can be asked for; and what was in use goes on. */
  async open(urls: CloudUrls, credentials: CloudCredentials): Promise<void> {
    const { directory, identity: cluster, config, log } = this.#options;
    const { keystone } = credentials;
    const verify = !urls.shown.startsWith('https:');
    if (keystone) await writeCloudFiles(directory, { keystone, region: cluster.region, verify }, systemDisk);
    this.#markOpened({ urls, credentials });
    if (config.services.includes('volumes')) {
      const address = config.volumesListen;
      this.#listeners = await listenForVolumeCalls(this.#volumeCalls(), { directory, cluster, address, log });
    }
    // Who runs it for nothing else wants to hear now that it cannot.
    if (!config.services.includes('store')) await this.#wake();
    else if (this.#isUsed()) {
      await this.#wake().catch((error: unknown) => {
        // The store serves all the same, and whoever asks for the cloud tries again.
        log.error({ err: error }, 'identity and volumes did not start');
      });
    }
  }

  async stop(): Promise<void> {
    for (const listener of this.#listeners) await listener.close();
    const awake = await this.#waking?.catch(() => undefined);
    await awake?.stop();
  }

  #isUsed(): boolean {
    const { directory, config } = this.#options;
    const { identityListen, identityLink } = config;
    if (identityListen !== undefined || identityLink !== undefined) return true;
    return [path.join('control', 'store'), 'volumes'].some((name) => existsSync(path.join(directory, name)));
  }

  /** Once; a failure is tried again by the next who asks. */
  #wake(): Promise<CloudServices> {
    this.#waking ??= this.#start().catch((error: unknown) => {
      this.#waking = undefined;
      throw error;
    });
    return this.#waking;
  }

  async #start(): Promise<CloudServices> {
    const { urls, credentials } = await this.#opened;
    const { startCloudServices } = await import('./cloud-services.ts');
    this.#awake = await startCloudServices(this.#options, urls, credentials);
    return this.#awake;
  }

  #handler(of: (services: CloudServices) => HttpHandler | undefined): HttpHandler {
    return async (request) => {
      const handler = of(this.#awake ?? (await this.#wake()));
      return handler ? handler(request) : { status: 404, headers: [] };
    };
  }

  #verifier(): TokenVerifier {
    return {
      authenticate: (token) =>
        this.#awake
          ? this.#awake.verifier.authenticate(token)
          : this.#wake().then(({ verifier }) => verifier.authenticate(token)),
      accessKey: (key) =>
        this.#awake
          ? this.#awake.verifier.accessKey(key)
          : this.#wake().then(({ verifier }) => verifier.accessKey(key)),
    };
  }

  #volumeCalls(): Handlers {
    const handlers: Record<string, Handlers[string]> = {};
    for (const method of VOLUME_METHODS) {
      handlers[method] = async (args: never, context: CallContext): Promise<Reply> => {
        const call = (this.#awake ?? (await this.#wake())).volumeCalls[method] as Handlers[string];
        return call(args, context);
      };
    }
    return handlers;
  }
}
