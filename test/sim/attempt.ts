/** What one request of a client is, and how its outcome is told to the history. */
import type { Fault } from '../../fabric/errors.ts';
import { type Context, type ObjectRef, storeFaults } from '../../proxy/object/contract.ts';
import type { Chance } from './chance.ts';
import {
  ABSENT,
  type Apply,
  expect,
  type History,
  isAbsent,
  isPresent,
  operationIn,
  replacing,
  shownOf,
  stateOf,
  undone,
  write,
} from './history.ts';
import type { SimProxy } from './sim-proxy.ts';
import type { KnownVersion } from './version-book.ts';

export const ACCOUNT = 'AUTH_sim';

export const CONTEXT: Context = {
  transId: 'sim',
  caller: { account: ACCOUNT, user: 'sim:sim', groups: ['sim:sim', 'sim'], admin: true },
};

export interface Attempt {
  readonly id: number;
  readonly client: string;
  readonly chance: Chance;
  readonly proxy: SimProxy;
  readonly history: History;
  readonly mix: Mix;
  readonly start: number;
  /** The version that it is about, where that is not drawn. */
  readonly known?: KnownVersion;
}

export interface Mix {
  readonly containers: readonly string[];
  readonly objects: readonly string[];
  /** Share of bodies that are too large to be inline. */
  readonly blobShare: number;
  /** The containers are made with versioning enabled. */
  readonly versioned?: true;
  /** Instead of registers, names are stacks of versions; what these containers are made with. */
  readonly stacks?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** How it ended: an answer, an expected Fault, or nobody will ever say. */
export interface Settle {
  readonly value?: unknown;
  readonly fault?: Fault | undefined;
  readonly gone?: string;
}

export interface Action {
  readonly text: string;
  /** The object whose new state an answer describes. */
  readonly writes?: ObjectRef;
  run(): Promise<unknown>;
  settle(outcome: Settle, end: number): void;
}

export const objectRegister = (ref: ObjectRef): string => `object ${ref.container}/${ref.object}`;
export const rowRegister = (ref: ObjectRef): string => `row ${ref.container}/${ref.object}`;
export const containerRegister = (container: string): string => `container ${container}`;

export const contentTypeOf = (id: number): string => `sim/${id}`;
export const operationOf = (contentType: string): number => Number(contentType.slice(4));

/** Adds one operation to a register. `end` Infinity: it may still take effect, or never. */
export function note(
  attempt: Attempt,
  register: string,
  how: { text: string; end: number; apply: Apply; pure?: boolean; seen?: () => boolean },
): void {
  const { id, history, start } = attempt;
  const { text, end, apply, pure = false, seen } = how;
  const optional = !Number.isFinite(end);
  if (optional && pure) return;
  history.add(register, { label: `#${id} ${text}`, start, end, optional, pure, apply, seen });
}

/** The outcome is not known: nobody answered, or the answer promises nothing. */
const UNKNOWN: readonly string[] = [
  storeFaults.quorumUnavailable,
  storeFaults.conditionalConflict,
  storeFaults.insufficientStorage,
  storeFaults.dataLost,
];

export const isUnknown = ({ fault, gone }: Settle): boolean =>
  gone !== undefined || (fault !== undefined && UNKNOWN.includes(fault.code));

export const noContainer = ({ fault }: Settle): boolean => fault?.code === storeFaults.noSuchContainer;

/** May be said of a container that is remembered, and gone. */
const OF_REMEMBERED: readonly string[] = [storeFaults.noSuchObject, storeFaults.preconditionFailed];

/** What an answer says of the container. */
export function noteContainer(attempt: Attempt, container: string, outcome: Settle, end: number): void {
  if (isUnknown(outcome) || (outcome.fault && OF_REMEMBERED.includes(outcome.fault.code))) return;
  const gone = noContainer(outcome);
  const text = gone ? 'met no container' : 'met a container';
  note(attempt, containerRegister(container), { text, end, pure: true, apply: expect(gone ? isAbsent : isPresent) });
}

/** A write that took effect, or may have: in the object's register by `apply`, in its row without conditions. */
export function noteWrite(attempt: Attempt, ref: ObjectRef, how: { text: string; end: number; apply: Apply }): void {
  note(attempt, objectRegister(ref), how);
  const { id, history } = attempt;
  if (Number.isFinite(how.end)) history.acknowledged.add(id);
  const row: Apply = how.text === 'delete' ? write(ABSENT) : () => stateOf(id, history.etags.get(id) ?? '?');
  if (Number.isFinite(how.end)) return note(attempt, rowRegister(ref), { text: how.text, end: how.end, apply: row });
  noteRowOnly(attempt, ref, how.text, row);
}

/** A row of a write that came to nothing, or is not known to have: it may be listed, and go again. */
function noteRowOnly(attempt: Attempt, ref: ObjectRef, text: string, row: Apply): void {
  const { id, history } = attempt;
  const end = Number.POSITIVE_INFINITY;
  note(attempt, rowRegister(ref), { text, end, apply: (state) => replacing(row(state) as string, state) });
  const undo: Apply = (state) => {
    const shown = shownOf(state);
    const own = text === 'delete' ? isAbsent(shown) : isPresent(shown) && operationIn(shown) === id;
    return own && (text === 'delete' || history.listed.has(id)) ? undone(state) : undefined;
  };
  note(attempt, rowRegister(ref), { text: `${text} did not happen`, end, apply: undo });
}

/** The conditions did not hold in the end; an earlier round may have left a row, until the reconciler comes by. */
export function noteRefusedRow(attempt: Attempt, ref: ObjectRef, text: string): void {
  const { id, history } = attempt;
  noteRowOnly(attempt, ref, text, () => stateOf(id, history.etags.get(id) ?? '?'));
}

/**
 * A write refused because its container is gone may have been accepted while it was there, and be seen for a moment by
 * who still remembers it. Writes that nobody acknowledged go with their container.
 */
export function noteRefusedWrite(attempt: Attempt, ref: ObjectRef, how: { text: string; apply: Apply }): void {
  noteWrite(attempt, ref, { ...how, end: Number.POSITIVE_INFINITY });
  noteVanishing(attempt, ref);
}

export function noteVanishing(attempt: Attempt, ref: ObjectRef): void {
  const { history } = attempt;
  const apply: Apply = (state) =>
    isPresent(shownOf(state)) && !history.acknowledged.has(operationIn(state)) ? ABSENT : undefined;
  const how = { text: 'gone with its container', end: Number.POSITIVE_INFINITY, apply };
  note(attempt, objectRegister(ref), how);
  note(attempt, rowRegister(ref), how);
}

export function chooseObject({ chance, mix }: Attempt): ObjectRef {
  return { account: ACCOUNT, container: chance.pick(mix.containers), object: chance.pick(mix.objects) };
}

export function learnEtag(history: History, id: number, etag: string): void {
  const known = history.etags.get(id);
  if (known !== undefined && known !== etag) throw new Error(`operation ${id} wrote ${known}, but ${etag} was read`);
  history.etags.set(id, etag);
}
