/**
 * Puts Cinder's controller together: rows, tasks, hosts, the service. Starts nothing of the network: the caller mounts `handler`.
 * Every state that a row may be stuck in belongs to a task, and tasks outlive this process; `stop` leaves them for the next.
 */
import type { AuditLog } from '../../control/audit.ts';
import type { Authenticate, ControlStore } from '../../control/contract.ts';
import { createPolicy } from '../../control/policy/rules.ts';
import { createQuotas } from '../../control/quota.ts';
import { createService } from '../../control/service/create-service.ts';
import type { Service } from '../../control/service/types.ts';
import { TaskRunner } from '../../control/tasks/task-runner.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
import type { Cinder } from './cinder.ts';
import { type HostLink, Hosts } from './model/hosts.ts';
import { TYPED } from './model/quota-amounts.ts';
import { ensureDefaultType } from './model/types.ts';
import { CINDER_POLICY } from './policy-defaults.ts';
import { CINDER_FAULTS } from './refusals.ts';
import { CINDER_VERSIONS, cinderRoutes, inBothForms } from './routes.ts';
import { type CinderSettings, SETTINGS_DEFAULT } from './settings.ts';
import { cinderKinds } from './tasks/kinds.ts';
import { LeftoverSweep } from './tasks/leftovers.ts';

export interface CinderOptions {
  /** Of this controller, the same after a restart, of no other. */
  readonly holder: string;
  /** Host to the agent that keeps its volumes. */
  readonly hosts: ReadonlyMap<string, HostLink>;
  readonly settings?: Partial<CinderSettings>;
  /** From the operator's policy file. */
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly publicUrl?: string;
  /** Where `/v3` is mounted, e.g. `/volume`. */
  readonly prefix?: string;
  readonly identityUrl?: string;
  readonly audit?: AuditLog;
}

export interface CinderWorld {
  readonly store: ControlStore;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly random: Random;
  readonly onError: (error: unknown) => void;
}

export interface CinderService {
  readonly handler: HttpHandler;
  readonly operations: Service['operations'];
  stop(): Promise<void>;
}

export async function startCinder(options: CinderOptions, world: CinderWorld): Promise<CinderService> {
  const { store, clock, random, authenticate, onError } = world;
  const { holder, hosts: links, policy = {}, publicUrl, prefix, identityUrl, audit } = options;
  const settings = { ...SETTINGS_DEFAULT, ...options.settings };
  const isResource = (name: string): boolean => Object.hasOwn(settings.quotas, name) || TYPED.test(name);
  const quotas = createQuotas({ service: 'volume', defaults: settings.quotas, isResource });
  const hosts = new Hosts({ links, clock, zone: settings.zone, backendName: settings.backendName });
  const cinder: Cinder = { store, clock, random, hosts, quotas, settings };
  await ensureDefaultType(cinder);
  const runner = new TaskRunner({ store, clock, holder, kinds: cinderKinds(cinder), onError });
  runner.start();
  const sweep = new LeftoverSweep(cinder, onError);
  sweep.start();
  const { handler, operations } = createService({
    ...{ name: 'volume', style: 'cinder', routes: inBothForms(cinderRoutes(cinder)), faults: CINDER_FAULTS },
    ...{ versions: CINDER_VERSIONS, authenticate, projectParam: 'project_id' },
    ...{ policy: createPolicy({ defaults: CINDER_POLICY, overrides: policy }), clock, random, onError },
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(identityUrl === undefined ? {} : { identityUrl }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(audit === undefined ? {} : { audit }),
  });
  const stop = async (): Promise<void> => {
    await sweep.stop();
    await runner.close();
  };
  return { handler, operations, stop };
}
