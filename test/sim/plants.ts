/**
 * Bugs planted on purpose, each by wrapping a part from outside: if the simulator does not find them, it finds nothing.
 * Production code knows nothing of them.
 */
import type { Handlers, Reply } from '../../fabric/rpc/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  DAEMON_WRITER,
  headBallot,
  headKey,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  keyKind,
  type Mutation,
  REST_AT,
  TABLE,
} from '../../object-server/contract.ts';
import type { Device } from '../../object-server/device.ts';
import type { Cluster, Replica } from '../../proxy/cluster.ts';
import { CONTAINER_CACHE_MS } from '../../proxy/object/containers.ts';
import { decodeMeta, type ObjectRecord, recordHead } from '../../proxy/object/object-format.ts';

/** Of a row's key: which table it is in. */
const TABLE_AT = REST_AT + 2;

export interface Plant {
  readonly ignoresDatasync?: boolean;
  /** All proxies use one writer id and a clock that moves in large steps. */
  readonly sameWriter?: boolean;
  /** Tombstones go when compaction meets them: no age, nobody is asked. */
  readonly reclaimsEarly?: boolean;
  /** Around what a proxy sees of the cluster. */
  readonly cluster?: (cluster: Cluster) => Cluster;
  /** Around the calls one life of a zone answers. */
  readonly handlers?: (handlers: Handlers, device: Device) => Handlers;
}

const writerOf = (stamp: Stamp): number => Number.parseInt(stamp.slice(13), 16);

interface ApplyArgs {
  readonly mutations: readonly Mutation[];
  readonly writer: number;
}

type Apply = (args: ApplyArgs, context: unknown) => Promise<Reply>;

/** `change` may take mutations away (null): they are answered with 'ok' and never stored. */
function changeMutations(handlers: Handlers, change: (mutation: Mutation) => Mutation | null): Handlers {
  const apply = handlers['apply'] as unknown as Apply;
  const planted: Apply = async (args, context) => {
    const changed = args.mutations.map(change);
    const kept = changed.filter((mutation) => mutation !== null);
    const reply = await apply({ ...args, mutations: kept }, context);
    const outcomes = [...(reply.value as { outcomes: unknown[] }).outcomes];
    return { value: { outcomes: changed.map((mutation) => (mutation ? outcomes.shift() : { result: 'ok' })) } };
  };
  return { ...handlers, apply: planted as never };
}

/** The second primary's opinion is asked of the first. */
function oneReplicaReads(cluster: Cluster): Cluster {
  const credulous = (replica: Replica, first: Replica): Replica => ({
    device: replica.device,
    peer: {
      ...replica.peer,
      get up() {
        return replica.peer.up;
      },
      get load() {
        return replica.peer.load;
      },
      call: (method, args, options) =>
        method === 'check'
          ? first.peer.call(method, { ...(args as object), device: first.device }, options)
          : replica.peer.call(method, args, options),
    },
  });
  const made = new Map<Replica, Map<Replica, Replica>>();
  const memo = (replica: Replica, first: Replica): Replica => {
    const of = made.get(first) ?? new Map<Replica, Replica>();
    made.set(first, of);
    const known = of.get(replica) ?? credulous(replica, first);
    of.set(replica, known);
    return known;
  };
  const primaries = (key: Key): readonly Replica[] => {
    const real = cluster.primaries(key);
    return real.map((replica, at) => (at === 0 ? replica : memo(replica, real[0] as Replica)));
  };
  return { ...cluster, primaries };
}

/** Promises are kept in memory only, and gone after a restart. */
function forgetfulPromises(handlers: Handlers, device: Device): Handlers {
  const promises = new Map<Key, Stamp>();
  const apply = handlers['apply'] as unknown as Apply;
  const stands = (key: Key | undefined, above: Stamp): Stamp | undefined => {
    const promised = key === undefined ? undefined : promises.get(key);
    return promised !== undefined && promised > above ? promised : undefined;
  };
  const refusal = ({ head, guardKey }: Mutation): object | undefined => {
    const newer = stands(headKey(head), headBallot(head));
    if (newer) return { result: 'newer', ballot: newer };
    const sealed = guardKey && stands(guardKey, device.get(guardKey)?.ballot ?? ('' as Stamp));
    return sealed ? { result: 'sealed', ballot: sealed } : undefined;
  };
  const plantedApply: Apply = async (args, context) => {
    const refusals = args.mutations.map(refusal);
    const mutations = args.mutations.filter((_, i) => !refusals[i]);
    const reply = await apply({ ...args, mutations }, context);
    const outcomes = [...(reply.value as { outcomes: unknown[] }).outcomes];
    return { value: { outcomes: refusals.map((refused) => refused ?? outcomes.shift()) } };
  };
  const prepare = async ({ key, ballot }: { key: Key; ballot: Stamp }): Promise<Reply> => {
    const held = device.get(key)?.ballot ?? ('' as Stamp);
    const against = held >= ballot ? held : stands(key, ballot);
    if (against) return { value: { ok: false, ballot: against } };
    promises.set(key, ballot);
    return { value: { ok: true, ...(await device.read(key, true)) } };
  };
  return { ...handlers, apply: plantedApply as never, prepare: prepare as never };
}

/** What is not `kept` is applied, but its outcome is not waited for. */
function answerBefore(handlers: Handlers, late: (mutation: Mutation) => boolean): Handlers {
  const apply = handlers['apply'] as unknown as Apply;
  const planted: Apply = async (args, context) => {
    const kept = args.mutations.filter((mutation) => !late(mutation));
    const waited = apply({ ...args, mutations: kept }, context);
    const rest = args.mutations.filter(late);
    if (rest.length > 0) apply({ ...args, mutations: rest }, context).catch(() => undefined);
    const outcomes = [...((await waited).value as { outcomes: unknown[] }).outcomes];
    return { value: { outcomes: args.mutations.map((one) => (late(one) ? { result: 'ok' } : outcomes.shift())) } };
  };
  return { ...handlers, apply: planted as never };
}

/** What somebody else wrote is written back by readers only in appearance. */
function noReadRepair(handlers: Handlers): Handlers {
  const apply = handlers['apply'] as unknown as Apply;
  const planted: Apply = async (args, context) => {
    const isRepair = ({ head }: Mutation): boolean =>
      args.writer !== DAEMON_WRITER && writerOf(headBallot(head)) !== args.writer;
    const one: Handlers = changeMutations({ ...handlers, apply: apply as never }, (mutation) =>
      isRepair(mutation) ? null : mutation,
    );
    return (one['apply'] as unknown as Apply)(args, context);
  };
  return { ...handlers, apply: planted as never };
}

/** Conditions are judged on what is held now; nothing keeps others from writing in between. */
function emptyPromises(handlers: Handlers, device: Device): Handlers {
  const prepare = async ({ key, ballot }: { key: Key; ballot: Stamp }): Promise<Reply> => {
    const held = device.get(key)?.ballot ?? ('' as Stamp);
    if (held >= ballot) return { value: { ok: false, ballot: held } };
    return { value: { ok: true, ...(await device.read(key, true)) } };
  };
  return { ...handlers, prepare: prepare as never };
}

/** A primary that is down is replaced by its stand-in, whose answer counts. */
function handoffsCount(cluster: Cluster): Cluster {
  const standIn = (key: Key, missing: Replica): Replica => {
    const stand = [...cluster.handoffs(key)].find(({ peer }) => peer.up);
    if (!stand) return missing;
    const call: Replica['peer']['call'] = (method, args, options) =>
      method === 'apply'
        ? stand.peer.call(method, { ...(args as object), device: stand.device, handoffFor: missing.device }, options)
        : missing.peer.call(method, args, options);
    return { device: missing.device, peer: { ...missing.peer, up: true, load: missing.peer.load, call } };
  };
  const primaries = (key: Key): readonly Replica[] =>
    cluster.primaries(key).map((replica) => (replica.peer.up ? replica : standIn(key, replica)));
  return { ...cluster, primaries };
}

const isRow = ({ head }: Mutation): boolean => keyKind(headKey(head)) === KIND.row;
const isLiveRow = ({ head }: Mutation): boolean => keyKind(headKey(head)) === KIND.row && !isTombstone(head);

const isLiveVersion = ({ head }: Mutation): boolean => keyKind(headKey(head)) === KIND.version && !isTombstone(head);
const isLiveVersionRow = (mutation: Mutation): boolean =>
  isLiveRow(mutation) && headKey(mutation.head).charCodeAt(TABLE_AT) === TABLE.versions;

/** A container is another at once, whatever proxies remember of it. */
function withoutWaits(cluster: Cluster): Cluster {
  const { clock } = cluster;
  const sleep = (ms: number): Promise<void> => (ms === CONTAINER_CACHE_MS ? Promise.resolve() : clock.sleep(ms));
  return { ...cluster, clock: { ...clock, sleep } };
}

/** Retention and legal hold never reach a disk. */
function withoutLock(mutation: Mutation): Mutation {
  const { head, body } = mutation;
  const key = headKey(head);
  if ((keyKind(key) !== KIND.object && keyKind(key) !== KIND.version) || isTombstone(head)) return mutation;
  const { hold: _hold, retention: _retention, ...record } = decodeMeta<ObjectRecord>(head);
  const made = recordHead(record, { key, stamp: headStamp(head), ballot: headBallot(head), body });
  return { ...mutation, head: made };
}

export const plants = {
  'datasync does nothing': { ignoresDatasync: true },
  'quorum of one': { cluster: (cluster) => ({ ...cluster, quorum: 1 }) },
  'listing row forgotten': {
    handlers: (handlers) => changeMutations(handlers, (mutation) => (isLiveRow(mutation) ? null : mutation)),
  },
  'listing row not waited for': { handlers: (handlers) => answerBefore(handlers, isRow) },
  'handoff copy counted': { cluster: handoffsCount },
  'equal stamps': { sameWriter: true },
  'read repair left out': { handlers: noReadRepair },
  'conditional write without promise': { handlers: emptyPromises },
  'tombstone reclaimed early': { reclaimsEarly: true },
  'reads ask one replica': { cluster: oneReplicaReads },
  'promises forgotten': { handlers: forgetfulPromises },
  'guard ignored': {
    handlers: (handlers) => changeMutations(handlers, ({ head, body }) => ({ head, body })),
  },
  'version not set aside': {
    handlers: (handlers) => changeMutations(handlers, (mutation) => (isLiveVersion(mutation) ? null : mutation)),
  },
  'versioning answered at once': { cluster: withoutWaits },
  'version row forgotten': {
    handlers: (handlers) => changeMutations(handlers, (mutation) => (isLiveVersionRow(mutation) ? null : mutation)),
  },
  'lock forgotten': { handlers: (handlers) => changeMutations(handlers, withoutLock) },
} as const satisfies Readonly<Record<string, Plant>>;
