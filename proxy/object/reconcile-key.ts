/**
 * Makes one key and what belongs to it agree on all primaries, by a decision (ADR 1): the newest state any replica is
 * known to hold is written back under a fresh ballot, with the row that says the same.
 */
import { type ContainerRecord, decodeRecord } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headBallot,
  headKey,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  KIND_AT,
  keyKind,
  latin1ToUtf8,
  makeKey,
  type ObjectServiceCalls,
  REST_AT,
  rowRest,
  TABLE,
  withBallot,
} from '../../object-server/contract.ts';
import type { Cluster, ReadRegister, Replica } from '../cluster.ts';
import { type Decision, decide, type Judge, KEEP } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { repairBlobs } from '../repair-blobs.ts';
import { findAccountByHash } from './accounts.ts';
import { liveVersion } from './commit-version.ts';
import { accountRowWrite } from './container-ops.ts';
import { type ContainerState, containerKey, containerState } from './containers.ts';
import type { Engine } from './engine.ts';
import { versionOfRow } from './find-version.ts';
import { decodeMeta, type Gravestone, gravestoneHead } from './object-format.ts';
import { noVersionRow, rowsBeside, rowWrite, versionRow } from './row-writes.ts';
import { readRowName } from './version-format.ts';

/** Where a version of the key is, under which key: the device may hold it as another's handoff copy. */
export interface Holder {
  readonly replica: Replica;
  readonly heldAs: Key;
}

/** `holder`: the device that remembers the operation; what it holds counts even if a majority never heard of it. */
export async function reconcileKey(engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> {
  switch (keyKind(key)) {
    case KIND.object:
      return reconcileObject(engine, key, holder);
    case KIND.version:
      return reconcileVersion(engine, key, holder);
    case KIND.row:
      return reconcileRow(engine, key, holder);
    case KIND.container:
      return reconcileContainer(engine, key, holder);
    case KIND.accountRow:
      return reconcileAccountRow(engine, key, holder);
    case KIND.blob:
      // Bytes without a name are garbage; with one, they are repaired along with the register that refers to them.
      return true;
    default:
      return reconcileAlone(engine, key, holder);
  }
}

/** What `holder` has, when it is newer than what the majority promised about. */
async function newest(
  current: ReadRegister | undefined,
  holder: Holder | undefined,
): Promise<ReadRegister | undefined> {
  if (!holder) return current;
  const { replica, heldAs } = holder;
  const reply = await replica.peer.call('read', { device: replica.device, key: heldAs, body: true });
  const { head, body } = reply.value as ObjectServiceCalls['read']['reply'];
  if (!head || (current && headBallot(current.head) >= headBallot(head))) return current;
  return { head, body, replica };
}

const again = (register: ReadRegister, ballot: Stamp): QuorumWrite => ({
  head: withBallot(register.head, ballot),
  body: register.body,
});

async function settleUnder(
  engine: Engine,
  key: Key,
  holder: Holder | undefined,
  judge: (state: ReadRegister | undefined, ballot: Stamp) => Promise<Decision> | Decision,
): Promise<boolean> {
  const { cluster } = engine;
  let writes: readonly QuorumWrite[] = [];
  const judgeNewest: Judge = async (current, ballot) => {
    const state = await newest(current, holder);
    if (state) await repairBlobs(cluster, state);
    const decision = await judge(state, ballot);
    writes = 'write' in decision ? decision.write : [];
    return decision;
  };
  const once = async (): Promise<WriteResult> => {
    const done = await decide(cluster, key, judgeNewest, { unseal: true });
    if (done.result !== 'ok' || done.passed === undefined) return done;
    // A row that is newer than what it stands for: this must be newer still.
    cluster.stamps.observe(done.passed);
    return decide(cluster, key, judgeNewest, { unseal: true });
  };
  const done = await once();
  const kept = done.result === 'sealed' || done.result === 'guard';
  if (!kept && (done.result !== 'ok' || (await everywhere(cluster, writes)))) return done.result === 'ok';
  // Whoever sealed a guard is gone, or a replica has missed the guard: nobody else may ever come by.
  const guards = new Set(writes.flatMap(({ guardKey }) => guardKey ?? []));
  for (const guard of guards) await decide(cluster, guard, () => KEEP, { unseal: true });
  return (await once()).result === 'ok';
}

/** Whether no primary refuses what has a guard: on a majority the round may have succeeded without one. */
async function everywhere(cluster: Cluster, writes: readonly QuorumWrite[]): Promise<boolean> {
  for (const { head, guardKey } of writes) {
    if (guardKey === undefined) continue;
    const key = headKey(head);
    const ballots = await Promise.all(
      cluster.primaries(key).map(async ({ device, peer }) => {
        const { value } = await peer.call('check', { device, key });
        return (value as ObjectServiceCalls['check']['reply']).ballot;
      }),
    );
    if (ballots.some((ballot) => ballot < headBallot(head))) return false;
  }
  return true;
}

const reconcileAlone = (engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> =>
  settleUnder(engine, key, holder, (state, ballot) => (state ? { write: [again(state, ballot)] } : { keep: true }));

async function reconcileObject(
  engine: Engine,
  key: Key,
  holder: Holder | undefined,
  named?: Gravestone,
): Promise<boolean> {
  return settleUnder(engine, key, holder, async (state, ballot) => {
    const names = named ?? (state && decodeMeta<Gravestone>(state.head));
    if (!names) return { keep: true };
    const { account, container: containerName, name } = names;
    const container = await engine.containers.findHeld({ account, container: containerName });
    if (!container || packed(container) !== key.slice(17, KIND_AT)) return orphan(state, { key, names, ballot });
    engine.touched(container);
    if (!state) return { write: [rowWrite(container, name, undefined, ballot)] };
    return { write: [again(state, ballot), ...rowsBeside(container, name, state.head, ballot)] };
  });
}

/** Its container is gone: nobody can reach it, so it goes too. */
function orphan(
  state: ReadRegister | undefined,
  { key, names, ballot }: { key: Key; names: Gravestone; ballot: Stamp },
): Decision {
  if (!state || isTombstone(state.head)) return { keep: true };
  return { write: [{ head: gravestoneHead(names, key, ballot) }] };
}

const packed = (container: ContainerState): string => container.rowPrefix.slice(17, KIND_AT);

interface RowPlace {
  readonly object: Key;
  readonly container: ContainerState;
  readonly named: Gravestone;
}

/** Which object a row of either table stands for; 'gone' with its container's incarnation; undefined when not known. */
async function objectOfRow(engine: Engine, key: Key): Promise<RowPlace | 'gone' | undefined> {
  const containerAt = makeKey(key.slice(1, 17), undefined, KIND.container);
  const register = await readQuorum(engine.cluster, containerAt, false);
  if (!register) return undefined;
  const container = containerState(containerAt, register.head, 0);
  const incarnation = key.slice(17, KIND_AT);
  if (packed(container) > incarnation) return 'gone';
  if (packed(container) < incarnation) return undefined;
  const { account, name: containerName } = container.record;
  const raw = key.slice(REST_AT + 3);
  const name = isVersionRow(key) ? readRowName(raw).name : latin1ToUtf8(raw);
  const object = makeKey(engine.cluster.hash(account, containerName, name), container.incarnation, KIND.object);
  return { object, container, named: { account, container: containerName, name } };
}

const isCurrentRow = (key: Key): boolean => keyKind(key) === KIND.row && key.charCodeAt(REST_AT + 2) === TABLE.current;

const isVersionRow = (key: Key): boolean => keyKind(key) === KIND.row && key.charCodeAt(REST_AT + 2) === TABLE.versions;

/** Whether an object's listing row says the same as its register; true for keys that are neither. */
export async function rowMatches(engine: Engine, key: Key): Promise<boolean> {
  const { cluster, containers } = engine;
  if (isCurrentRow(key)) {
    const found = await objectOfRow(engine, key);
    if (!found || found === 'gone') return true;
    const object = await readQuorum(cluster, found.object, false);
    return sameVersion(shown(object), await readQuorum(cluster, key, false));
  }
  if (isVersionRow(key)) {
    const found = await objectOfRow(engine, key);
    if (!found || found === 'gone') return true;
    const version = await versionOfRow(cluster, found.object, readRowName(key.slice(REST_AT + 3)).order);
    return sameVersion(version?.register, await readQuorum(cluster, key, false));
  }
  if (keyKind(key) !== KIND.object) return true;
  const object = await readQuorum(cluster, key, false);
  if (!object) return true;
  const { account, container: containerName, name } = decodeMeta<Gravestone>(object.head);
  const container = await containers.findHeld({ account, container: containerName });
  if (!container || packed(container) !== key.slice(17, KIND_AT)) return isTombstone(object.head);
  const row = makeKey(container.hash, container.incarnation, KIND.row, rowRest(TABLE.current, name));
  return sameVersion(shown(object), await readQuorum(cluster, row, false));
}

/** A delete marker has no row among the objects. */
function shown(object: ReadRegister | undefined): ReadRegister | undefined {
  return liveVersion(object)?.record.marker === true ? undefined : object;
}

function sameVersion(object: ReadRegister | undefined, row: ReadRegister | undefined): boolean {
  const live = ({ head }: ReadRegister): string => (isTombstone(head) ? '' : headStamp(head));
  return (object ? live(object) : '') === (row ? live(row) : '');
}

/** A version that was set aside, and its row. */
async function reconcileVersion(engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> {
  return settleUnder(engine, key, holder, async (state, ballot) => {
    if (!state) return { keep: true };
    const names = decodeMeta<Gravestone>(state.head);
    const { account, container: containerName, name, order } = names;
    const container = await engine.containers.findHeld({ account, container: containerName });
    if (!container || packed(container) !== key.slice(17, KIND_AT)) return orphan(state, { key, names, ballot });
    const version = liveVersion(state);
    const write = version
      ? versionRow(container, { record: version.record, head: state.head }, ballot)
      : order && noVersionRow(container, name, { order, ballot });
    return { write: [again(state, ballot), ...(write ? [{ ...write, newerIsFine: true }] : [])] };
  });
}

/** A row leads to its object, which says what the row should be. */
async function reconcileRow(engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> {
  if (!isCurrentRow(key) && !isVersionRow(key)) return reconcileAlone(engine, key, holder);
  const found = await objectOfRow(engine, key);
  if (!found) return true;
  if (found !== 'gone' && isCurrentRow(key)) return reconcileObject(engine, found.object, undefined, found.named);
  if (found !== 'gone') {
    const { object, named } = found;
    const version = await versionOfRow(engine.cluster, object, readRowName(key.slice(REST_AT + 3)).order);
    if (version?.key === object) return reconcileObject(engine, object, undefined, named);
    if (version) return reconcileVersion(engine, version.key, undefined);
  }
  // Nobody can list it any more; a copy that was delivered late must not stay on one device for ever.
  return settleUnder(engine, key, holder, (state, ballot) => {
    if (!state || isTombstone(state.head)) return { keep: true };
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) }] };
  });
}

async function reconcileContainer(engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> {
  return settleUnder(engine, key, holder, async (state, ballot) => {
    if (!state) return { keep: true };
    const record = decodeRecord<ContainerRecord>(headMeta(state.head));
    engine.containers.forget({ account: record.account, container: record.name });
    const account = await findAccountByHash(engine, engine.cluster.hash(record.account));
    if (!account) return { write: [again(state, ballot)] };
    const row = isTombstone(state.head)
      ? undefined
      : {
          incarnation: headStamp(state.head),
          policy: record.policy,
          objectCount: 0,
          bytesUsed: 0,
          modifiedStamp: ballot,
          bucket: undefined,
        };
    const write = accountRowWrite(account, record.name, { stamp: ballot, row });
    if (row) engine.touched(containerState(key, state.head, 0));
    return { write: [again(state, ballot), write] };
  });
}

async function reconcileAccountRow(engine: Engine, key: Key, holder: Holder | undefined): Promise<boolean> {
  const account = await findAccountByHash(engine, key.slice(1, 17));
  if (!account || account.rowPrefix.slice(17, KIND_AT) !== key.slice(17, KIND_AT)) return true;
  const ref = { account: account.record.name, container: latin1ToUtf8(key.slice(REST_AT + 2)) };
  const container = containerKey(engine.cluster, ref);
  if (await readQuorum(engine.cluster, container, false)) return reconcileContainer(engine, container, undefined);
  return settleUnder(engine, key, holder, (_state, ballot) => ({
    write: [{ head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) }],
  }));
}
