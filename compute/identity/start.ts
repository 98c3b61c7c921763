/**
 * Puts identity together: keys, service, feed. Starts nothing of the network: the caller mounts `handler` on a listener and
 * gives `handlers` to the fabric. `stop` leaves no timer behind; the store is the caller's to close.
 */
import type { AuditLog } from '../../control/audit.ts';
import type { ControlStore } from '../../control/contract.ts';
import { createPolicy } from '../../control/policy/rules.ts';
import { createService } from '../../control/service/create-service.ts';
import type { Service } from '../../control/service/types.ts';
import type { Clock, Timer } from '../../fabric/clock.ts';
import type { Disk } from '../../fabric/disk.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
import type { Handlers } from '../../fabric/rpc/contract.ts';
import { IDENTITY_POLICY } from './api/policy-defaults.ts';
import type { TokenContext } from './contract.ts';
import { type FeedOptions, identityHandlers } from './feed.ts';
import { KeyRing } from './key-ring.ts';
import { OwnAnswers } from './own-answers.ts';
import { createPasswords } from './passwords.ts';
import { IDENTITY_FAULTS, IDENTITY_VERSIONS, identityRoutes } from './routes.ts';
import type { Identity } from './service-state.ts';
import { type IdentitySettings, SETTINGS_DEFAULT } from './settings.ts';
import { tables } from './tables.ts';

/** Revocations of tokens that have expired meanwhile are taken away this often. */
const SWEEP_MS = 10 * 60_000;

export interface IdentityOptions extends FeedOptions {
  /** Holds `fernet-keys` and `credential-keys`; made when it is not there. */
  readonly directory: string;
  /** With the mount point, without a slash at the end; else taken from the Host header. */
  readonly publicUrl?: string;
  /** Where `/v3` is mounted, e.g. `/identity`. */
  readonly prefix?: string;
  readonly settings?: Partial<IdentitySettings>;
  /** From the operator's policy file. */
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly audit?: AuditLog;
}

export interface IdentityWorld {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly onError: (error: unknown) => void;
}

export interface IdentityService {
  readonly handler: HttpHandler;
  /** For verifiers, over the fabric or in this process (fabric/rpc/local.ts). */
  readonly handlers: Handlers;
  readonly operations: Service['operations'];
  /** For the bootstrap and for tools in this process. */
  readonly identity: Identity;
  stop(): void;
}

export async function startIdentity(options: IdentityOptions, world: IdentityWorld): Promise<IdentityService> {
  const settings = { ...SETTINGS_DEFAULT, ...options.settings };
  const { store, clock, random } = world;
  const tokenKeys = await KeyRing.start(`${options.directory}/fernet-keys`, world);
  const credentialKeys = await KeyRing.start(`${options.directory}/credential-keys`, world);
  const passwords = createPasswords(random, settings.passwordCost);
  const identity: Identity = { store, clock, random, tokenKeys, credentialKeys, passwords, settings };
  await noteKeys(store, tokenKeys.fingerprints);
  tokenKeys.onChange((fingerprints) => void noteKeys(store, fingerprints).catch(world.onError));
  const answers = new OwnAnswers(identity);
  const { publicUrl, prefix, audit } = options;
  const { handler, operations } = createService({
    name: 'identity',
    style: 'keystone',
    routes: identityRoutes(identity),
    faults: IDENTITY_FAULTS,
    versions: IDENTITY_VERSIONS,
    authenticate: (token) => authenticate(identity, answers, token),
    policy: createPolicy({ defaults: IDENTITY_POLICY, overrides: options.policy ?? {} }),
    clock,
    random,
    onError: world.onError,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(audit === undefined ? {} : { audit }),
  });
  const sweep = new RevocationSweep(world);
  const stop = (): void => {
    for (const part of [tokenKeys, credentialKeys, sweep]) part.stop();
  };
  return { handler, handlers: identityHandlers(identity, options), operations, identity, stop };
}

/** Answers that were made with other keys are dropped wherever they are kept. */
async function noteKeys(store: ControlStore, fingerprints: readonly string[]): Promise<void> {
  await store.write(async (tx) => {
    const before = await tx.get(tables.keySets, 'tokens');
    if (before?.join() !== fingerprints.join()) tx.put(tables.keySets, 'tokens', fingerprints);
  });
}

async function authenticate(identity: Identity, answers: OwnAnswers, token: string): Promise<TokenContext | undefined> {
  const known = await answers.of(token);
  if (known !== undefined) return known.context;
  // A key that another process has rotated in meanwhile.
  const sealed = await identity.tokenKeys.openOrReload(token);
  return sealed && (await answers.of(token))?.context;
}

class RevocationSweep {
  readonly #world: IdentityWorld;
  #timer: Timer | undefined;

  constructor(world: IdentityWorld) {
    this.#world = world;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#world.clock.after(SWEEP_MS, () => {
      this.#sweep().catch(this.#world.onError);
      this.#arm();
    });
  }

  async #sweep(): Promise<void> {
    const { store, clock } = this.#world;
    await store.write(async (tx) => {
      for (const { key, value } of await tx.scan(tables.revocations)) {
        if (value.forgetAtMs <= clock.nowMs()) tx.delete(tables.revocations, key);
      }
    });
  }
}
