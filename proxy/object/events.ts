/**
 * Where a change of an object is announced to whoever wants to be told of it: around the change, at the one place where it
 * is known to begin. Without a rule for it the change runs as it is, after one look-up and nothing else.
 */
import { isFault } from '../../fabric/errors.ts';
import type { ContainerState } from './containers.ts';
import { type Context, type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import type { QueuedEvent, Told } from './event-queue.ts';
import { type EventName, type NotificationRule, notificationRules, ruleFor } from './notification-rules.ts';
import { synced } from './sync-desk.ts';

export interface Happening {
  readonly container: ContainerState;
  readonly name: string;
  readonly event: EventName;
  readonly versionId?: string | undefined;
  /** Absent: what the store does by itself. */
  readonly context?: Context | undefined;
}

/** `tell`: of what `change` resolves with; undefined when that changed nothing. Whom it is synchronised with hears too. */
export function announced<T>(
  engine: Engine,
  happening: Happening,
  change: () => Promise<T>,
  tell: (done: T) => (Omit<Told, 'stamp'> & { readonly stamp?: string | undefined }) | undefined,
): Promise<T> {
  const { container, name } = happening;
  const work = container.syncs ? () => synced(engine, container, name, change) : change;
  const rules = engine.events && notificationRules(happening.container.record);
  if (!rules) return work();
  const rule = ruleFor(rules, happening.event, happening.name);
  if (!rule || !engine.events?.has(rule.target)) return work();
  return announce(engine, { ...happening, rule }, work, tell);
}

async function announce<T>(
  engine: Engine,
  happening: Happening & { readonly rule: NotificationRule },
  work: () => Promise<T>,
  tell: (done: T) => (Omit<Told, 'stamp'> & { readonly stamp?: string | undefined }) | undefined,
): Promise<T> {
  const { rule } = happening;
  const noted = await engine.events?.note(rule.target, eventOf(happening, rule.id));
  let done: T;
  try {
    done = await work();
  } catch (error) {
    if (isFault(error) && !UNKNOWN.has(error.code) && Object.hasOwn(REFUSALS, error.code)) noted?.dropped();
    else noted?.unknown();
    throw error;
  }
  const told = tell(done);
  if (told) noted?.happened({ ...told, stamp: told.stamp ?? engine.cluster.stamps.next() });
  else noted?.dropped();
  return done;
}

/** Faults after which it may have happened all the same. */
const UNKNOWN: ReadonlySet<string> = new Set([storeFaults.quorumUnavailable]);
const REFUSALS: Readonly<Record<string, true>> = Object.fromEntries(
  Object.values(storeFaults).map((code) => [code, true]),
);

function eventOf({ container, name, event, versionId, context }: Happening, rule: string): QueuedEvent {
  const { account, name: containerName } = container.record;
  return {
    ...{ account, container: containerName, name, event, rule, versionId },
    who: context === undefined ? 's3.amazonaws.com' : (context.caller.user ?? 'anonymous'),
    address: context?.scope?.fact('aws:sourceip')?.[0] ?? '',
    request: context?.transId ?? '',
  };
}

export const toldOf = ({ stamp, versionId, sizeBytes, etag }: ObjectInfo): Told => ({
  stamp,
  versionId,
  sizeBytes,
  etag,
});

/** What a PUT is called. */
export function createdBy({ scope }: Context, usual: EventName = 'ObjectCreated:Put'): EventName {
  switch (scope?.operation) {
    case 'PostObject':
      return 'ObjectCreated:Post';
    case 'CopyObject':
      return 'ObjectCreated:Copy';
    default:
      return usual;
  }
}

/** A change that looks its container up by itself. */
export function announcedChange<T extends ObjectInfo>(
  engine: Engine,
  { context, ref, event }: { readonly context: Context; readonly ref: ObjectRef; readonly event: EventName },
  work: () => Promise<T>,
): Promise<T> {
  if (!engine.events) return work();
  return announceChange(engine, { context, ref, event }, work);
}

async function announceChange<T extends ObjectInfo>(
  engine: Engine,
  { context, ref, event }: { readonly context: Context; readonly ref: ObjectRef; readonly event: EventName },
  work: () => Promise<T>,
): Promise<T> {
  const container = await engine.containers.find(ref);
  if (!container) return work();
  const { object: name, versionId } = ref;
  // Neither the object's stamp nor its bytes change.
  const tell = ({ stamp: _, ...told }: Told): Omit<Told, 'stamp'> => told;
  return announced(engine, { container, name, event, versionId, context }, work, (info) => tell(toldOf(info)));
}
