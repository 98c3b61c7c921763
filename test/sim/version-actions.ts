/** What clients do in containers with versions, what it means to the stack of a name, and what the answers say of it. */
import {
  type Conditions,
  type Deleted,
  type ObjectInfo,
  type ObjectRef,
  storeFaults,
} from '../../proxy/object/contract.ts';
import {
  ACCOUNT,
  type Action,
  type Attempt,
  CONTEXT,
  chooseObject,
  contentTypeOf,
  isUnknown,
  learnEtag,
  note,
  operationOf,
  type Settle,
} from './attempt.ts';
import { etagOfBody, makeBody, readAll, sourceOf } from './body.ts';
import { type Apply, expect } from './history.ts';
import type { State } from './model.ts';
import { findLayer, type Layer, NULL_ID, push, readStack, setHold, shownLayer, take, UNKNOWN_ID } from './stack.ts';
import type { KnownVersion, Mode } from './version-book.ts';

const FOREVER_MS = 4_000_000_000_000;
const NEVER = Number.POSITIVE_INFINITY;

const shown = ({ container, object }: ObjectRef): string => `${container}/${object}`;
export const stackRegister = (ref: ObjectRef): string => `stack ${shown(ref)}`;
const isLocking = ({ mix }: Attempt, { container }: ObjectRef): boolean =>
  mix.stacks?.[container]?.['objectLock'] !== undefined;

type Precondition = 'none' | 'absent' | 'etag';

interface Condition {
  readonly text: string;
  readonly conditions: Conditions | undefined;
  holds(state: State): boolean;
}

function conditionOf({ chance, history }: Attempt, kind: Precondition): Condition {
  if (kind === 'none') return { text: '', conditions: undefined, holds: () => true };
  const top = (state: State): Layer | undefined => shownLayer(state);
  if (kind === 'absent')
    return { text: ' if absent', conditions: { ifNoneMatch: '*' }, holds: (state) => top(state) === undefined };
  const known = [...history.etags.values()].slice(-10);
  const wanted = known.at(-1 - chance.below(6)) ?? 'none';
  const holds = (state: State): boolean => {
    const layer = top(state);
    return layer !== undefined && history.etags.get(layer.made) === wanted;
  };
  return { text: ` if ${wanted.slice(0, 6)}`, conditions: { ifMatch: [wanted] }, holds };
}

/** A layer that may come to be, under an id that nobody was told. */
function notePossible(
  attempt: Attempt,
  ref: ObjectRef,
  layer: Layer,
  how: { text: string; holds: Condition['holds'] },
): void {
  const ids = isLocking(attempt, ref) ? [UNKNOWN_ID] : [UNKNOWN_ID, NULL_ID];
  const { known } = attempt.history.versions;
  const isSeen = (id: string): boolean => {
    const as = known.get(layer.made)?.id;
    return as !== undefined && (as === NULL_ID) === (id === NULL_ID);
  };
  for (const id of ids) {
    const seen = layer.marker ? undefined : () => isSeen(id);
    const apply = push({ ...layer, id }, how.holds);
    note(attempt, stackRegister(ref), { text: `${how.text} as ${id}`, end: NEVER, apply, ...(seen ? { seen } : {}) });
  }
}

function noteRefused(
  attempt: Attempt,
  ref: ObjectRef,
  outcome: Settle,
  { end, text, holds }: { end: number; text: string; holds: Condition['holds'] },
): void {
  const code = outcome.fault?.code;
  const isAbsent = (state: State): boolean => shownLayer(state) === undefined;
  if (code !== storeFaults.preconditionFailed && code !== storeFaults.noSuchObject)
    throw new Error(`${text}: unexpected ${code}`);
  const apply = expect((state) => !holds(state) && isAbsent(state) === (code === storeFaults.noSuchObject));
  note(attempt, stackRegister(ref), { text: `${text} refused: ${code}`, end, pure: true, apply });
}

function put(attempt: Attempt, kind: Precondition): Action {
  const { id: made, chance, history, proxy, mix } = attempt;
  const ref = chooseObject(attempt);
  const body = makeBody(made, chance.often(mix.blobShare) ? 65_537 + chance.below(40_000) : 24 + chance.below(200));
  const etag = etagOfBody(body);
  const { text: when, conditions, holds } = conditionOf(attempt, kind);
  history.etags.set(made, etag);
  const isRetained = isLocking(attempt, ref) && chance.often(0.2);
  const lock = isRetained ? { retention: { mode: 'COMPLIANCE' as const, untilMs: FOREVER_MS } } : undefined;
  const layer: Layer = { made, marker: false, id: UNKNOWN_ID, lock: isRetained ? 'retained' : '' };
  const text = `put${when}${isRetained ? ' retained' : ''}`;
  return {
    text: `${text} ${shown(ref)} ${body.length} bytes ${etag.slice(0, 6)}`,
    writes: ref,
    run: () =>
      proxy.store.putObject(CONTEXT, ref, { body: sourceOf(body), contentType: contentTypeOf(made), conditions, lock }),
    settle(outcome, end) {
      if (isUnknown(outcome)) return notePossible(attempt, ref, layer, { text, holds });
      if (outcome.fault) return noteRefused(attempt, ref, outcome, { end, text, holds });
      const { versionId } = outcome.value as ObjectInfo;
      noteMade(
        attempt,
        { made, ref, id: versionId ?? NULL_ID, marker: false },
        { end, text, modes: modesOf(versionId) },
      );
      note(attempt, stackRegister(ref), { text, end, apply: push({ ...layer, id: versionId ?? NULL_ID }, holds) });
    },
  };
}

const modesOf = (versionId: string | undefined): readonly Mode[] =>
  versionId === undefined ? ['Off'] : versionId === NULL_ID ? ['Suspended'] : ['Enabled'];

function noteMade(
  attempt: Attempt,
  version: KnownVersion,
  { end, text, modes }: { end: number; text: string; modes: readonly Mode[] },
): void {
  const { history, start, id } = attempt;
  history.acknowledged.add(version.made);
  history.versions.learn(version, end);
  history.versions.used({ container: version.ref.container, start, end, label: `#${id} ${text}`, modes });
}

/** A delete marker; without versioning, nothing is left. */
function remove(attempt: Attempt, kind: Precondition): Action {
  const { id: made, proxy, history, start } = attempt;
  const ref = chooseObject(attempt);
  const { text: when, conditions, holds } = conditionOf(attempt, kind);
  const layer: Layer = { made, marker: true, id: UNKNOWN_ID, lock: '' };
  const text = `delete${when}`;
  const leaves = take(({ id }) => id === NULL_ID, { meets: false });
  const vanishes: Apply = (state) => (holds(state) ? leaves(state) : undefined);
  return {
    text: `${text} ${shown(ref)}`,
    run: () => proxy.store.deleteObject(CONTEXT, ref, { conditions }),
    settle(outcome, end) {
      const register = stackRegister(ref);
      if (isUnknown(outcome)) {
        notePossible(attempt, ref, layer, { text, holds });
        if (!isLocking(attempt, ref)) note(attempt, register, { text, end: NEVER, apply: vanishes });
        return;
      }
      if (outcome.fault) return noteRefused(attempt, ref, outcome, { end, text, holds });
      const { existed, deleteMarker, versionId } = outcome.value as Deleted;
      if (deleteMarker) {
        const id = versionId as string;
        noteMade(attempt, { made, ref, id, marker: true }, { end, text, modes: modesOf(id) });
        return note(attempt, register, { text, end, apply: push({ ...layer, id }, holds) });
      }
      history.versions.used({ container: ref.container, start, end, label: `#${made} ${text}`, modes: ['Off'] });
      if (existed) note(attempt, register, { text, end, apply: vanishes });
      else
        note(attempt, register, { text, end, pure: true, apply: expect((state) => shownLayer(state) === undefined) });
    },
  };
}

function read(attempt: Attempt): Action {
  const { proxy } = attempt;
  const ref = chooseObject(attempt);
  return {
    text: `get ${shown(ref)}`,
    run: () => readWhole(attempt, ref),
    settle(outcome, end) {
      if (isUnknown(outcome)) return;
      const register = stackRegister(ref);
      if (outcome.fault) {
        const apply = expect((state) => shownLayer(state) === undefined);
        return note(attempt, register, { text: 'get: nothing', end, pure: true, apply });
      }
      const { made, id } = seen(attempt, outcome.value as ObjectInfo);
      const apply = expect((state) => {
        const layer = shownLayer(state);
        return layer?.made === made && (layer.id === UNKNOWN_ID || layer.id === id);
      });
      note(attempt, register, { text: `get: ${made} as ${id} through ${proxy.name}`, end, pure: true, apply });
    },
  };
}

async function readWhole({ proxy }: Attempt, ref: ObjectRef): Promise<ObjectInfo> {
  const object = await proxy.store.getObject(CONTEXT, ref);
  const body = await readAll(object);
  if (body.length !== object.info.sizeBytes || etagOfBody(body) !== object.info.etag)
    throw new Error(`${shown(ref)} ${ref.versionId ?? ''}: the bytes are not those of ${object.info.etag}`);
  return object.info;
}

function seen(
  { history }: Attempt,
  { contentType, etag, versionId = NULL_ID }: ObjectInfo,
): { made: number; id: string } {
  const made = operationOf(contentType);
  learnEtag(history, made, etag);
  return { made, id: versionId };
}

/** One that a client was told of, of this name; undefined when there is none yet. */
function chooseVersion(attempt: Attempt, wanted: (known: KnownVersion) => boolean): KnownVersion | undefined {
  const known = attempt.history.versions.of(chooseObject(attempt)).filter(wanted);
  return known.length === 0 ? undefined : attempt.chance.pick(known);
}

const isMeant =
  ({ made, id }: KnownVersion) =>
  (layer: Layer): boolean =>
    id === NULL_ID ? layer.id === NULL_ID : layer.made === made;

function readVersion(attempt: Attempt): Action {
  const known = attempt.known ?? chooseVersion(attempt, ({ marker }) => !marker);
  if (!known) return read(attempt);
  const ref = { ...known.ref, versionId: known.id };
  return {
    text: `get ${shown(ref)} ${known.id}`,
    run: () => readWhole(attempt, ref),
    settle(outcome, end) {
      if (isUnknown(outcome)) return;
      const register = stackRegister(ref);
      const isThere = isMeant(known);
      if (outcome.fault) {
        const apply = expect((state) => !readStack(state).some((layer) => isThere(layer) && !layer.marker));
        return note(attempt, register, { text: `get ${known.made}: ${outcome.fault.code}`, end, pure: true, apply });
      }
      const { made } = seen(attempt, outcome.value as ObjectInfo);
      if (known.id !== NULL_ID && made !== known.made) throw new Error(`${known.id} of ${known.made} shows ${made}`);
      const apply = expect((state) => findLayer(state, made) !== undefined);
      note(attempt, register, { text: `get ${made}`, end, pure: true, apply });
    },
  };
}

function removeVersion(attempt: Attempt): Action {
  const { proxy, history } = attempt;
  const known = chooseVersion(attempt, () => true);
  if (!known) return remove(attempt, 'none');
  const { made, id } = known;
  const ref = { ...known.ref, versionId: id };
  const text = `delete ${made} as ${id}`;
  const isThere = isMeant(known);
  return {
    text: `${text} of ${shown(ref)}`,
    run: () => proxy.store.deleteObject(CONTEXT, ref),
    settle(outcome, end) {
      const register = stackRegister(ref);
      if (isUnknown(outcome)) {
        for (const each of history.versions.of(ref))
          if (isThere({ ...each, lock: '' })) history.versions.doubtful.add(each.made);
        return note(attempt, register, { text, end: NEVER, apply: take(isThere, { meets: false }) });
      }
      for (const each of history.versions.of(ref))
        if (isThere({ ...each, lock: '' })) history.versions.triedToDelete(each.made, { start: attempt.start, end });
      const code = outcome.fault?.code;
      if (code === storeFaults.accessDenied) {
        const apply = expect((state) => readStack(state).some((layer) => isThere(layer) && layer.lock !== ''));
        return note(attempt, register, { text: `${text}: locked`, end, pure: true, apply });
      }
      if (code !== undefined) throw new Error(`${text}: unexpected ${code}`);
      const { existed, currentVersionId } = outcome.value as Deleted;
      const isGone = expect((state) => !readStack(state).some(isThere));
      const isCurrent = expect((state) => [currentVersionId, UNKNOWN_ID].includes(shownLayer(state)?.id));
      note(attempt, register, { text: `current is ${currentVersionId}`, end, pure: true, apply: isCurrent });
      if (existed) note(attempt, register, { text, end, apply: take(isThere, { meets: true }) });
      else note(attempt, register, { text: `${text}: nothing`, end, pure: true, apply: isGone });
    },
  };
}

/** Legal hold of a version, on or off. Where there is no lock to be had, a read. */
function hold(attempt: Attempt): Action {
  const { chance, proxy } = attempt;
  const known = chooseVersion(attempt, (one) => !one.marker && isLocking(attempt, one.ref));
  if (!known) return read(attempt);
  const isOn = chance.often(0.6);
  const ref = { ...known.ref, versionId: known.id };
  const text = `${isOn ? 'hold' : 'release'} ${known.made}`;
  return {
    text: `${text} of ${shown(ref)}`,
    run: () => proxy.store.setObjectLock(CONTEXT, ref, { hold: isOn }),
    settle(outcome, end) {
      const register = stackRegister(ref);
      const apply = setHold(known.made, isOn);
      if (isUnknown(outcome)) return note(attempt, register, { text, end: NEVER, apply });
      if (!outcome.fault) return note(attempt, register, { text, end, apply });
      if (outcome.fault.code !== storeFaults.noSuchVersion)
        throw new Error(`${text}: unexpected ${outcome.fault.code}`);
      const isGone = expect((state) => findLayer(state, known.made) === undefined);
      note(attempt, register, { text: `${text}: nothing`, end, pure: true, apply: isGone });
    },
  };
}

/** Switches a container without locks between Enabled and Suspended. */
function switchVersions(attempt: Attempt): Action {
  const { chance, mix, proxy, history, start } = attempt;
  const container = mix.containers.find((name) => mix.stacks?.[name]?.['objectLock'] === undefined) as string;
  const mode = chance.pick(['Enabled', 'Suspended'] as const);
  return {
    text: `${mode} ${container}`,
    run: () => proxy.store.updateContainer(CONTEXT, { account: ACCOUNT, container }, { s3: { versioning: mode } }),
    settle(outcome, end) {
      if (outcome.fault && !isUnknown(outcome)) throw new Error(`${mode}: unexpected ${outcome.fault.code}`);
      history.versions.changed({ container, start, end: isUnknown(outcome) ? NEVER : end, mode });
    },
  };
}

export const versionActions = {
  stackPut: (attempt: Attempt) => put(attempt, 'none'),
  stackPutIfAbsent: (attempt: Attempt) => put(attempt, 'absent'),
  stackPutIfMatch: (attempt: Attempt) => put(attempt, 'etag'),
  stackDelete: (attempt: Attempt) => remove(attempt, 'none'),
  stackDeleteIfMatch: (attempt: Attempt) => remove(attempt, 'etag'),
  stackGet: read,
  stackGetVersion: readVersion,
  stackDeleteVersion: removeVersion,
  stackHold: hold,
  stackSwitch: switchVersions,
} as const satisfies Readonly<Record<string, (attempt: Attempt) => Action>>;
