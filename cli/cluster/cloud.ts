/**
 * The cloud beside the store, in the cluster's process: identity, whose tokens and keys the proxy takes, and the volumes of
 * this host. It sleeps until somebody asks for it, and costs nothing so long; a cluster where it was ever used wakes it at
 * every start, because volumes and tasks may be waiting. Ends before the proxy does.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { VOLUME_METHODS, VOLUME_SERVICE } from '../../block/volumes/contract.ts';
import type { TokenVerifier } from '../../compute/identity/contract.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import { systemRandom } from '../../fabric/random.ts';
import type { CallContext, Handlers, Reply } from '../../fabric/rpc/contract.ts';
import { listenRpc, type RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { KEYSTONE_ROLES, Keystone } from '../../proxy/auth/keystone.ts';
import { volumeSocket } from '../volume/connect.ts';
import { writeCloudFiles } from './cloud-files.ts';
import type { CloudOptions, CloudUrls } from './cloud-options.ts';
import { IDENTITY_PREFIX, IMAGE_PREFIX, VOLUME_PREFIX } from './cloud-places.ts';
import type { CloudServices } from './cloud-services.ts';
import type { CredentialsFile } from './credentials.ts';
import { readLink } from './identity-link.ts';
import { withMounts } from './mounts.ts';

/** Fault BadConfig for configured files that cannot be used: before anything starts. */
export async function checkCloudFiles({
  identityLink,
  identityPolicy,
  volumePolicy,
}: CloudOptions['regions'] & CloudOptions['policies']): Promise<void> {
  if (identityLink !== undefined) readLink(identityLink);
  if (identityPolicy === undefined && volumePolicy === undefined) return;
  const { readPolicy } = await import('./policy-files.ts');
  readPolicy('identity', identityPolicy);
  readPolicy('volume', volumePolicy);
}

/** What the proxy asks before it knows any URL. */
export class Cloud {
  readonly keystone: Keystone;
  readonly #options: CloudOptions;
  readonly #opened: Promise<{ urls: CloudUrls; credentials: CredentialsFile }>;
  #markOpened!: (opened: { urls: CloudUrls; credentials: CredentialsFile }) => void;
  #waking: Promise<CloudServices> | undefined;
  #awake: CloudServices | undefined;
  #listener: RpcListener | undefined;

  constructor(options: CloudOptions) {
    this.#options = options;
    this.#opened = new Promise((resolve) => {
      this.#markOpened = resolve;
    });
    this.keystone = new Keystone({ verifier: this.#verifier(), ...KEYSTONE_ROLES });
  }

  /** Its administrator is ours to name. */
  get ownsIdentity(): boolean {
    return this.#options.regions.identityLink === undefined;
  }

  /** Where identity is found, when this cluster is reached at `url`. */
  authUrl(url: string): string {
    const { identityLink } = this.#options.regions;
    return identityLink === undefined ? `${url}${IDENTITY_PREFIX}/v3` : readLink(identityLink).authUrl;
  }

  /** The main port's handler with the cloud's services in front. */
  mount(rest: HttpHandler): HttpHandler {
    const mounts = [
      { prefix: VOLUME_PREFIX, handler: this.#handler(({ volume }) => volume) },
      { prefix: IMAGE_PREFIX, handler: this.#handler(({ image }) => image) },
    ];
    if (this.ownsIdentity) mounts.push({ prefix: IDENTITY_PREFIX, handler: this.#handler(({ identity }) => identity) });
    return withMounts(mounts, rest);
  }

  /** Clients' files are written, volumes can be asked for; and what was in use goes on. */
  async open(urls: CloudUrls, credentials: CredentialsFile): Promise<void> {
    const { directory, identity, regions, log } = this.#options;
    const { keystone } = credentials;
    const verify = !urls.shown.startsWith('https:');
    if (keystone) await writeCloudFiles(directory, { keystone, region: identity.region, verify }, systemDisk);
    this.#markOpened({ urls, credentials });
    this.#listener = await listenRpc(this.#volumeCalls(), {
      ...{ endpoint: { path: volumeSocket(directory) }, name: VOLUME_SERVICE, log },
      ...{ secret: Buffer.from(identity.clusterSecret, 'hex'), clusterId: identity.clusterId },
      ...{ clock: systemClock, random: systemRandom },
    });
    const isLinked = regions.identityListen !== undefined || regions.identityLink !== undefined;
    if (!isLinked && !existsSync(path.join(directory, 'control', 'store'))) return;
    await this.#wake().catch((error: unknown) => {
      // The store serves all the same, and whoever asks for the cloud tries again.
      log.error({ err: error }, 'identity and volumes did not start');
    });
  }

  async stop(): Promise<void> {
    await this.#listener?.close();
    const awake = await this.#waking?.catch(() => undefined);
    await awake?.stop();
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
    this.#awake = await startCloudServices(this.#options, urls, credentials.volumes);
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
