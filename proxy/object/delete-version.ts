/**
 * Deletes one version for good. The newest one gives its place back to the one before: object, rows and tombstones in one
 * decided round. The one before keeps the copy it was set aside in, a copy too many: were it removed in the same round, a
 * crash in the middle could leave none. Deleting again what is gone is a success that changes nothing.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { type Key, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { type Decision, decide, KEEP, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { alignRow, type Named, objectKey, recordOf, recover, TRIES_MAX } from './commit.ts';
import { liveVersion } from './commit-version.ts';
import { checkWriteConditions } from './conditions.ts';
import { type Conditions, type Deleted, storeFaults } from './contract.ts';
import { CopyRow } from './copy-row.ts';
import type { Engine } from './engine.ts';
import { newestAside } from './find-version.ts';
import { gravestoneHead, type Pin } from './object-format.ts';
import { lockFault } from './object-lock.ts';
import { dropVersionPins } from './pins.ts';
import { noVersionRow, rowsBeside, versionRow } from './row-writes.ts';
import { goneVersion, type Version, versionAs } from './set-aside.ts';
import { orderOf, versionIdOf, versionKey } from './version-format.ts';

export interface Deletion extends Named {
  readonly versionId: string;
  readonly conditions?: Conditions | undefined;
  /** The newest one's place stays empty. */
  readonly vacates?: boolean | undefined;
  /** Nothing happens to it while it is the newest one. */
  readonly onlyOlder?: boolean | undefined;
  /** Governance does not count (object-lock.ts). */
  readonly bypass?: boolean | undefined;
}

export async function deleteVersion(engine: Engine, deletion: Deletion): Promise<Deleted> {
  const run = new Run(engine, deletion);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const done = await run.round();
    if (done === undefined) continue;
    if (done.result === 'ok') {
      await alignRow(engine, deletion, done);
      dropVersionPins(engine, { replaced: done.replaced, gone: run.gone }, run.keptPins);
      if (run.refusal) throw run.refusal;
      engine.touched(deletion.container);
      const { versionId } = deletion;
      const deleteMarker = run.found?.record.marker === true;
      return { existed: run.found !== undefined, versionId, deleteMarker, currentVersionId: run.currentId };
    }
    await recover(engine, deletion, done, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}

class Run {
  /** What was there the first time that somebody looked. */
  found: Version | undefined;
  keptPins: readonly Pin[] = [];
  gone: readonly Buffer[] = [];
  /** To be thrown once the round that refuses has put right what earlier ones left of it. */
  refusal: Fault | undefined;
  /** Of what plain requests get afterwards. */
  currentId: string | undefined;
  readonly #engine: Engine;
  readonly #deletion: Deletion;
  readonly #key: Key;
  readonly #own: OwnRounds = new Set();
  /** Rows of an earlier round may be there without the rest. */
  #hasWritten = false;
  readonly #copyRow: CopyRow;

  constructor(engine: Engine, deletion: Deletion) {
    this.#engine = engine;
    this.#deletion = deletion;
    this.#copyRow = new CopyRow(engine, deletion);
    this.#key = objectKey(engine, deletion.container, deletion.name);
  }

  async round(): Promise<WriteResult | undefined> {
    // Whatever an own round left, deleting the same version again does no harm.
    const options = { own: this.#own, judgesOwn: true };
    try {
      const judge = (current: ReadRegister | undefined, ballot: Stamp) => this.#judge(current, ballot);
      const done = await decide(this.#engine.cluster, this.#key, judge, options);
      if (done.result === 'ok') this.#copyRow.write();
      this.#copyRow.drop();
      return done;
    } catch (error) {
      this.#copyRow.drop();
      if (!isFault(error, storeFaults.conditionalConflict) || this.#deletion.conditions) throw error;
      return undefined;
    }
  }

  async #judge(current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> {
    const { versionId, conditions, bypass } = this.#deletion;
    this.#copyRow.drop();
    this.gone = [];
    this.refusal = undefined;
    const live = liveVersion(current);
    const isNewest = live !== undefined && versionIdOf(live.record) === versionId;
    if (isNewest && this.#deletion.onlyOlder) return KEEP;
    const stays = !isNewest && live?.record.marker !== true ? live : undefined;
    this.currentId = stays && versionIdOf(stays.record);
    const held = await readQuorum(this.#engine.cluster, versionKey(this.#key, versionId), false);
    const aside = liveVersion(held);
    const found = isNewest ? live : aside;
    this.found ??= found;
    if (!found && !(held && this.#own.size > 0)) return KEEP;
    const locked = found && lockFault(found.record, this.#engine.cluster.clock.nowMs(), bypass);
    if (locked) return this.#refuse(locked, current, { found, isNewest }, ballot);
    if (found && conditions && this.#own.size === 0) {
      const fault = checkWriteConditions(conditions, recordOf(this.#engine, found.register));
      if (fault) return this.#refuse(fault, current, { found, isNewest }, ballot);
    }
    const orders = new Set<Stamp>();
    for (const each of [found, aside, this.found]) if (each) orders.add(orderOf(each.record, each.register.head));
    const object = isNewest || !current ? await this.#before(ballot) : this.#unchanged(current, ballot);
    if (found) this.gone = [found.register.head];
    this.#hasWritten = true;
    return { write: [...object, ...this.#gone(orders, ballot)] };
  }

  #refuse(
    fault: Fault,
    current: ReadRegister | undefined,
    { found, isNewest }: { readonly found: Version; readonly isNewest: boolean },
    ballot: Stamp,
  ): Decision {
    if (!this.#hasWritten || !current) return { keep: true, refuse: fault };
    this.refusal = fault;
    const { record, register } = found;
    const row = versionRow(this.#deletion.container, { record, head: register.head }, ballot);
    return { write: [...this.#unchanged(current, ballot), ...(isNewest ? [] : [row])] };
  }

  /** The object as the version before the newest has it; a tombstone when there is none. */
  async #before(ballot: Stamp): Promise<readonly QuorumWrite[]> {
    const { container, name, versionId, vacates } = this.#deletion;
    const next = vacates ? undefined : await newestAside(this.#engine.cluster, this.#key, versionId);
    this.keptPins = next?.record.pins ?? [];
    if (next) {
      if (next.record.marker !== true) this.currentId = versionIdOf(next.record);
      const write = versionAs(this.#key, next.register, ballot);
      this.#copyRow.want(next, ballot);
      return [write, ...rowsBeside(container, name, write.head, ballot)];
    }
    const names = { account: container.record.account, container: container.record.name, name };
    const head = gravestoneHead(names, this.#key, ballot);
    return [{ head }, ...rowsBeside(container, name, head, ballot)];
  }

  #unchanged(current: ReadRegister, ballot: Stamp): readonly QuorumWrite[] {
    this.keptPins = liveVersion(current)?.record.pins ?? [];
    const head = withBallot(current.head, ballot);
    return [{ head, body: current.body }, ...rowsBeside(this.#deletion.container, this.#deletion.name, head, ballot)];
  }

  #gone(orders: ReadonlySet<Stamp>, ballot: Stamp): readonly QuorumWrite[] {
    const { container, name, versionId } = this.#deletion;
    const [order = ballot] = orders;
    const object = { container, name, key: this.#key };
    const rows = [...orders].map((each) => noVersionRow(container, name, { order: each, ballot }));
    return [goneVersion(object, versionId, { order, ballot }), ...rows];
  }
}
