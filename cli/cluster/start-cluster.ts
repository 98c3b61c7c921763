/** Starts everything in order: directory, zones, proxy, listeners; and stops it in the opposite one. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { systemClock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import type { HttpListener } from '../../fabric/http/contract.ts';
import { listen } from '../../fabric/http/engine.ts';
import { createLogger, type Logger } from '../../fabric/logger.ts';
import { createCnameLookUp } from '../../fabric/net-cname.ts';
import { systemRandom } from '../../fabric/random.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { Trace } from '../../fabric/trace.ts';
import { type Cluster, createCluster } from '../../proxy/cluster.ts';
import type { ProxyWorld } from '../../proxy/contract.ts';
import { createThreadDigests, type DigestPool } from '../../proxy/object/digest.ts';
import { createExpirer, type Expirer } from '../../proxy/object/expirer.ts';
import { type KeyManager, LocalKeyManager } from '../../proxy/object/key-manager.ts';
import { createLifecycleWorker, type LifecycleWorker } from '../../proxy/object/lifecycle-worker.ts';
import type { Notifier } from '../../proxy/object/notifier.ts';
import { createReaper, type Reaper } from '../../proxy/object/reaper.ts';
import { createReconciler, type Reconciler } from '../../proxy/object/reconcile.ts';
import { createStore, type RunningStore } from '../../proxy/object/store.ts';
import type { Syncer } from '../../proxy/object/sync-worker.ts';
import { RequestMeter } from '../../proxy/request-meter.ts';
import { createHandlers, type Handlers } from '../../proxy/server.ts';
import { createSettledMarks } from '../../proxy/settled.ts';
import { createPathHasher } from '../../ring/path-hash.ts';
import { createRing } from '../../ring/ring.ts';
import { listenAdmin } from './admin.ts';
import { type BootedZones, bootZones } from './boot.ts';
import { Cloud, checkCloudFiles } from './cloud.ts';
import { authUrlAt } from './cloud-places.ts';
import type { ClusterOptions } from './config.ts';
import { openSyncer } from './container-sync.ts';
import { type CredentialsFile, openCredentials } from './credentials.ts';
import { openClusterIam } from './iam.ts';
import { type ClusterFiles, openClusterFiles } from './identity.ts';
import { clusterInfo } from './info.ts';
import { openKeyFile, readKeyFile } from './key-file.ts';
import { listenerPlace, listenerWorld, urlOf } from './listener.ts';
import { lockDirectory } from './lock.ts';
import { createMetricsPage } from './metrics.ts';
import { openNotifier } from './notifications.ts';
import { showProgress } from './progress.ts';
import { openStampSource } from './stamp-ceiling.ts';
import { traceFor, tracePeers } from './traced-calls.ts';

const DRAIN_MS = 15_000;
/** Threads for MD5 of large bodies; they start when first needed. */
const DIGEST_THREADS = 2;

export interface RunningCluster {
  readonly directory: string;
  readonly urls: { readonly everything: string; readonly s3: string };
  readonly credentials: CredentialsFile;
  stop(): Promise<void>;
}

export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const directory = path.resolve(options.data);
  const trace = traceFor(options.logLevel);
  const log = createLogger({ level: options.logLevel, trace });
  await checkCloudFiles(options);
  const files = await openClusterFiles(directory, systemDisk, systemRandom);
  const unlock = lockDirectory(directory);
  const progress = showProgress(process.stderr);
  let zones: BootedZones | undefined;
  try {
    progress.say(files.created ? `new cluster in ${directory}` : `opening ${directory}`);
    const { identity, ring } = files;
    const { processes, logLevel } = options;
    zones = await bootZones({
      ...{ directory, identity, ring, processes, log, logLevel, trace },
      progress: progress.replay,
    });
    progress.say(`zones are up (${processes === 'inline' ? 'one process' : 'a process each'})`);
    const peers = trace ? tracePeers(zones.peers, trace) : zones.peers;
    const keys = await openKeys(directory);
    const proxy = createProxy({ options, directory, files, peers, log, keys });
    return await openFront({ options, directory, log, trace, files, zones, proxy, unlock });
  } catch (error) {
    // Their processes would outlive us, and keep the command from ending.
    await zones?.stop();
    unlock();
    throw error;
  }
}

async function openKeys(directory: string): Promise<KeyManager> {
  const keys = await openKeyFile(directory, systemDisk, systemRandom);
  return new LocalKeyManager(keys, systemRandom, () => readKeyFile(directory));
}

interface ProxyParts {
  readonly cluster: Cluster;
  readonly running: RunningStore;
  readonly reconciler: Reconciler;
  readonly lifecycle: LifecycleWorker;
  readonly expirer: Expirer;
  readonly reaper: Reaper;
  readonly notifier: Notifier | undefined;
  readonly syncer: Syncer;
  readonly digests: DigestPool;
}

function createProxy(args: {
  options: ClusterOptions;
  directory: string;
  files: ClusterFiles;
  peers: ReadonlyMap<number, Peer>;
  log: Logger;
  keys: KeyManager;
}): ProxyParts {
  const { options, directory, files, peers, log, keys } = args;
  const stamps = openStampSource(directory, systemClock);
  const settled = createSettledMarks(stamps, systemClock);
  const cluster = createCluster({
    clock: systemClock,
    random: systemRandom,
    stamps,
    settled,
    ring: createRing(files.ring),
    peers,
    hashPath: createPathHasher({
      prefix: Buffer.from(files.identity.hashPrefix),
      suffix: Buffer.from(files.identity.hashSuffix),
    }),
    consistency: options.consistency,
  });
  settled.onQuiet((mark) => {
    for (const { device, peer } of cluster.devices) {
      if (!peer.up) continue;
      const args = { device, mutations: [], writer: stamps.writerId, settled: mark };
      peer.call('apply', args).catch((error) => {
        if (!isFault(error)) throw error;
      });
    }
  });
  const onError = (what: string, error: unknown): void => log.error({ err: error }, `${what} failed`);
  const digests = createThreadDigests(DIGEST_THREADS);
  const lifecycleDayMs = options.lifecycleDaySeconds * 1000;
  const notifier = openNotifier(options, { region: options.region ?? files.identity.region, log });
  const syncer = openSyncer({ options: options.swift.sync, random: systemRandom, log });
  const running = createStore({
    cluster,
    digests,
    random: systemRandom,
    keys,
    lifecycleDayMs,
    onError,
    events: notifier?.desk,
    sync: syncer.desk,
    readOnly: { everywhere: options.swift.readOnly, allowsDeletes: options.swift.readOnlyAllowsDeletes },
  });
  const reconciler = createReconciler(running.engine);
  reconciler.start();
  const lifecycle = createLifecycleWorker(running.engine);
  lifecycle.start();
  const expirer = createExpirer(running.engine, { keptS: options.expiredKeptS });
  expirer.start();
  const reaper = createReaper(running.engine, { delayS: options.swift.reapDelayS });
  reaper.start();
  notifier?.start(running.engine);
  syncer.start(running.engine);
  return { cluster, running, reconciler, lifecycle, expirer, reaper, notifier, syncer, digests };
}

interface FrontArgs {
  readonly options: ClusterOptions;
  readonly directory: string;
  readonly log: Logger;
  readonly trace: Trace | undefined;
  readonly files: ClusterFiles;
  readonly zones: BootedZones;
  readonly proxy: ProxyParts;
  readonly unlock: () => void;
}

async function openFront(args: FrontArgs): Promise<RunningCluster> {
  const { options, directory, log, trace, files, zones, proxy, unlock } = args;
  const { tokenSecret } = files.identity;
  const region = options.region ?? files.identity.region;
  const opened = openCredentials(directory, systemDisk, systemRandom);
  const { keystonePassword: adminPassword } = opened;
  const cloud = new Cloud({
    ...{ directory, adminPassword, config: options, log },
    identity: { ...files.identity, region },
  });
  const secret = Buffer.from(tokenSecret, 'hex');
  const iam = await openClusterIam(cloud.keystone.users(opened.users), { directory, secret, log });
  const world: ProxyWorld = {
    store: proxy.running.store,
    users: iam.users,
    iam: iam.open,
    keystone: cloud.keystone,
    clock: systemClock,
    random: systemRandom,
    log: proxyLog(log),
    trace,
    region,
    s3Domains: options.s3Domains,
    objectOwnership: options.objectOwnership,
    eventTargets: new Set(options.notification.map(({ name }) => name)),
    tokenSecret: secret,
    swift: options.swift,
    lookUpCname: createCnameLookUp(options.swift.nameservers),
    info: clusterInfo({ version: packageVersion(), region, urlDigests: options.urlDigests, swift: options.swift }),
  };
  const { cluster, running } = proxy;
  const meter = new RequestMeter(world);
  const sources = { cluster, meter, clock: systemClock, zonePids: zones.pids, lagging: running.lagging };
  const { everything, s3Only } = createHandlers(world, createMetricsPage(sources));
  const handlers = { everything: cloud.mount(everything), s3Only };
  const listeners = await openListeners(options, handlers, log);
  const urls = { everything: urlOf(options, listeners.everything), s3: urlOf(options, listeners.s3) };
  const admin = await listenAdmin({ directory, identity: files.identity, log }, files.ring, zones.peers);
  for (const account of opened.accounts) proxy.running.recount(account);
  const url = urls.everything;
  const shown = options.publicUrl ?? url;
  const keystone = options.services.includes('identity') ? authUrlAt(shown) : undefined;
  const credentials = await opened.publish({ s3: shown, swiftAuth: `${shown}/auth/v1.0`, keystone, region });
  await cloud.open({ shown, own: url }, credentials).catch(async (error: unknown) => {
    // They would keep the command from ending.
    await Promise.all([cloud.stop(), listeners.everything.drain(0), listeners.s3.drain(0), admin.close()]);
    throw error;
  });
  return {
    directory,
    urls,
    credentials,
    async stop() {
      await iam.stop();
      await cloud.stop();
      await Promise.all([listeners.everything.drain(DRAIN_MS), listeners.s3.drain(DRAIN_MS)]);
      proxy.reconciler.stop();
      proxy.lifecycle.stop();
      proxy.expirer.stop();
      proxy.reaper.stop();
      proxy.notifier?.stop();
      await proxy.syncer.stop();
      proxy.running.stop();
      await proxy.digests.close();
      await admin.close();
      await zones.stop();
      unlock();
    },
  };
}

/** `debug` is there only at that level, so that nobody prepares lines that nobody reads. */
function proxyLog(log: Logger): ProxyWorld['log'] {
  return {
    ...(log.isLevelEnabled('debug') ? { debug: (fields: object, message: string) => log.debug(fields, message) } : {}),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
  };
}

async function openListeners(
  options: ClusterOptions,
  handlers: Handlers,
  log: Logger,
): Promise<{ everything: HttpListener; s3: HttpListener }> {
  const world = listenerWorld(log);
  const at = listenerPlace(options);
  if (options.engine === 'uws') {
    log.warn('engine uws on the main port: S3 alone is served there, and no Swift: it would lose bytes of metadata');
  }
  const everything = await listen(
    options.engine,
    options.engine === 'uws' ? handlers.s3Only : handlers.everything,
    { ...at, port: options.port },
    world,
  );
  try {
    const s3 = await listen(options.s3Engine, handlers.s3Only, { ...at, port: options.s3Port }, world);
    return { everything, s3 };
  } catch (error) {
    await everything.drain(0);
    throw error;
  }
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
