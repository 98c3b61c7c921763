/**
 * A new version of a name in a container with versioning: decided (ADR 1), because what stands there must be judged first.
 * What it takes the place of is set aside on a majority, then object, rows and companions are written in one round, as
 * without versions. Two racing writers both stand: the later one sets the earlier one aside. Costs containers without
 * versioning nothing: they never come here.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headStamp, isTombstone, type Key, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { type Decision, decide, KEEP, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { alignRow, type Named, objectKey, recover, TRIES_MAX } from './commit.ts';
import { checkWriteConditions } from './conditions.ts';
import { type Conditions, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { decodeMeta, gravestoneHead, type ObjectRecord, type Pin, recordHead } from './object-format.ts';
import { dropVersionPins } from './pins.ts';
import { noVersionRow, rowsBeside, rowsOf } from './row-writes.ts';
import { goneVersion, setAside, type Version, withoutNull } from './set-aside.ts';
import { versioningOf, versionKey } from './version-format.ts';

export interface NewVersion extends Named {
  /** Without a version id: it gets one here where versioning is enabled. */
  readonly record: ObjectRecord;
  readonly body?: Buffer | undefined;
  readonly conditions?: Conditions | undefined;
  /** Fault PreconditionFailed unless this holds of what stands there. */
  readonly only?: ((current: Version | undefined) => boolean) | undefined;
  /** What shares its fate, under `ballot`; `stamp` and `record` are the version's as it stands. */
  companions?(ballot: Stamp, version: { stamp: Stamp; record: ObjectRecord }): readonly QuorumWrite[];
}

export interface Committed {
  readonly record: ObjectRecord;
  readonly head: Buffer;
  /** Whether it took the place of an object that plain requests got. */
  readonly replaced?: boolean;
}

const NO_CONDITIONS: Conditions = {};

/** Resolves with the version as it stands. Faults as of `commit`. */
export async function commitVersion(engine: Engine, change: NewVersion): Promise<Committed> {
  const writer = new Writer(engine, change);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const done = await writer.round();
    if (done === undefined) continue;
    if (done.result === 'ok') {
      await alignRow(engine, change, done);
      dropVersionPins(engine, { replaced: done.replaced, gone: writer.gone }, writer.keptPins);
      engine.touched(change.container);
      if (writer.refusal) throw writer.refusal;
      return { ...(writer.standing as Committed), replaced: writer.replaced };
    }
    await recover(engine, change, done, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}

/** One operation through all its rounds. */
class Writer {
  standing: Committed | undefined;
  keptPins: readonly Pin[] = [];
  replaced = false;
  /** The null version that this one replaces for good. */
  gone: readonly Buffer[] = [];
  /** To be thrown once the round that refuses has settled what earlier ones left. */
  refusal: Fault | undefined;
  readonly #engine: Engine;
  readonly #change: NewVersion;
  readonly #key: Key;
  readonly #own: OwnRounds = new Set();
  /** Versions proposed in vain. */
  readonly #givenUp: Stamp[] = [];
  /** Rows of null markers proposed in vain. */
  readonly #strayRows: Stamp[] = [];
  /** Why the version before could not be set aside in this round. */
  #obstacle: WriteResult | undefined;

  constructor(engine: Engine, change: NewVersion) {
    this.#engine = engine;
    this.#change = change;
    this.#key = objectKey(engine, change.container, change.name);
  }

  /** Undefined: other writers kept winning, another round makes sense. */
  async round(): Promise<WriteResult | undefined> {
    const { cluster } = this.#engine;
    this.#obstacle = undefined;
    this.refusal = undefined;
    const options = { own: this.#own, judgesOwn: true };
    try {
      const done = await decide(cluster, this.#key, (current, ballot) => this.#judge(current, ballot), options);
      return this.#obstacle ?? done;
    } catch (error) {
      if (!isFault(error, storeFaults.conditionalConflict) || this.#change.conditions) throw error;
      if (error.details['reason'] === 'overtaken')
        throw new Fault(storeFaults.quorumUnavailable, { reason: 'overtaken' });
      return undefined;
    }
  }

  async #judge(current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> {
    this.refusal = undefined;
    if (current && this.standing && headStamp(current.head) === headStamp(this.standing.head))
      return { write: this.#again(current, ballot) };
    const proposed = await this.#lookBack(current);
    if (proposed === 'done') return KEEP;
    const { only, conditions = NO_CONDITIONS } = this.#change;
    const before = liveVersion(current);
    const isOther = only !== undefined && !only(before);
    const fault = isOther
      ? new Fault(storeFaults.preconditionFailed)
      : checkWriteConditions(conditions, this.#shown(before));
    if (fault) return this.#own.size === 0 ? { keep: true, refuse: fault } : this.#refuse(current, ballot, fault);
    return this.#write(before, ballot, proposed);
  }

  /** What an earlier round wrote, perhaps not everywhere. */
  #again(current: ReadRegister, ballot: Stamp): readonly QuorumWrite[] {
    const { container, name, companions } = this.#change;
    const head = withBallot(current.head, ballot);
    const record = decodeMeta<ObjectRecord>(head);
    const more = companions?.(ballot, { stamp: headStamp(head), record }) ?? [];
    this.standing = { record, head };
    this.keptPins = [...this.keptPins, ...(record.pins ?? [])];
    return [{ head, body: current.body }, ...more, ...rowsBeside(container, name, head, ballot)];
  }

  /**
   * An earlier round may have left its version somewhere, and another writer may have met it there. It is proposed again
   * under the same id, unless something newer stands: then it took effect if it was set aside for that, 'done', and
   * otherwise is given up for good, so that nobody can set it aside any more.
   */
  async #lookBack(current: ReadRegister | undefined): Promise<Committed | 'done' | undefined> {
    const { standing } = this;
    if (!standing) return undefined;
    const { version, marker } = standing.record;
    const maybe = this.#own.size > 0;
    const newer = current && placedAt(current) > headStamp(standing.head);
    const place = version === undefined ? undefined : versionKey(this.#key, version);
    const aside = maybe && place ? await readQuorum(this.#engine.cluster, place, false) : undefined;
    if (aside && (newer || isTombstone(aside.head))) return 'done';
    if (!newer) return standing;
    // The null version leaves no trace where another one replaced it.
    if (maybe && !place) throw new Fault(storeFaults.conditionalConflict, { reason: 'overtaken' });
    if (maybe || marker === true) this.#giveUp(standing);
    this.standing = undefined;
    this.#own.clear();
    return undefined;
  }

  /** A marker's row is written beside it, and may be there without it. */
  #giveUp({ record, head }: Committed): void {
    if (record.version === undefined) this.#strayRows.push(headStamp(head));
    else this.#givenUp.push(record.version as Stamp);
  }

  /** What an earlier round left somewhere must not come to light once its writer was refused. */
  #refuse(current: ReadRegister | undefined, ballot: Stamp, fault: Fault): Decision {
    const { container, name } = this.#change;
    const names = { account: container.record.account, container: container.record.name, name };
    if (this.standing) this.#giveUp(this.standing);
    this.standing = undefined;
    this.refusal = fault;
    const head = current ? withBallot(current.head, ballot) : gravestoneHead(names, this.#key, ballot);
    const rows = rowsBeside(container, name, head, ballot);
    this.keptPins = liveVersion(current)?.record.pins ?? [];
    this.gone = [];
    return { write: [{ head, body: current?.body }, ...this.#withoutGivenUp(ballot), ...rows] };
  }

  /** What plain requests get of it, if they get it. */
  #shown(version: Version | undefined): { readonly record: ObjectRecord; readonly head: Buffer } | undefined {
    if (!version || version.record.marker === true || this.#engine.expired(version.record)) return undefined;
    return { record: version.record, head: version.register.head };
  }

  async #write(before: Version | undefined, ballot: Stamp, proposed: Committed | undefined): Promise<Decision> {
    const { container, name, body, companions } = this.#change;
    const object = { container, name, key: this.#key };
    const isEnabled = versioningOf(container) === 'Enabled';
    const made = proposed ?? this.#propose(isEnabled ? ballot : undefined, ballot);
    const { record } = made;
    this.keptPins = record.pins ?? [];
    this.gone = [];
    this.replaced ||= this.#shown(before) !== undefined;
    if (before && (isEnabled || before.record.version !== undefined)) {
      const aside = await setAside(this.#engine, object, before, ballot);
      if (aside.result !== 'ok') {
        this.#obstacle = aside;
        return KEEP;
      }
      this.keptPins = [...this.keptPins, ...(before.record.pins ?? [])];
    }
    const head = proposed ? withBallot(proposed.head, ballot) : made.head;
    this.standing = { record, head };
    const more = companions?.(ballot, { stamp: headStamp(head), record }) ?? [];
    if (!isEnabled && before && before.record.version === undefined) this.gone = [before.register.head];
    const replaced = isEnabled ? [] : await withoutNull(this.#engine, object, before, ballot);
    const gone = [...replaced, ...this.#withoutGivenUp(ballot)];
    return { write: [{ head, body }, ...more, ...gone, ...rowsOf(object, { record, head }, ballot)] };
  }

  #propose(version: Stamp | undefined, ballot: Stamp): Committed {
    const record: ObjectRecord = { ...this.#change.record, version };
    return { record, head: recordHead(record, { key: this.#key, stamp: ballot, body: this.#change.body }) };
  }

  #withoutGivenUp(ballot: Stamp): readonly QuorumWrite[] {
    const { container, name } = this.#change;
    const versions = this.#givenUp.map((order) =>
      goneVersion({ container, name, key: this.#key }, order, { order, ballot }),
    );
    const rows = [...this.#givenUp, ...this.#strayRows].map((order) =>
      noVersionRow(container, name, { order, ballot }),
    );
    return [...versions, ...rows];
  }
}

/** When what is in the object's register came there. */
function placedAt(current: ReadRegister): Stamp {
  const record = liveVersion(current)?.record;
  return (record?.restored ?? record?.version ?? headStamp(current.head)) as Stamp;
}

/** What a register holds, delete markers included. */
export function liveVersion(register: ReadRegister | undefined): Version | undefined {
  if (!register || isTombstone(register.head)) return undefined;
  return { record: decodeMeta<ObjectRecord>(register.head), register };
}
