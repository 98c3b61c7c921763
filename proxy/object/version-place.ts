/**
 * The object's own place, while its versions stay what they are: left empty (Swift's DELETE while versioning is off, an
 * object whose time has come), or given to a version from before (Swift's PUT ?version-id). Decided (ADR 1); what stood
 * there is set aside first, as for a new version, so that a crash leaves a copy too many and never one too few.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headStamp, type Key, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { type Decision, decide, KEEP, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { alignRow, type Named, objectKey, recordOf, recover, TRIES_MAX } from './commit.ts';
import { liveVersion } from './commit-version.ts';
import { checkWriteConditions } from './conditions.ts';
import { type Conditions, type Context, type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';
import { CopyRow } from './copy-row.ts';
import type { Engine } from './engine.ts';
import { checkVersion } from './get.ts';
import { gravestoneHead, type Pin, recordHead, toInfo } from './object-format.ts';
import { lockFault } from './object-lock.ts';
import { dropPins, dropVersionPins } from './pins.ts';
import { writable } from './put.ts';
import { rowsBeside } from './row-writes.ts';
import { setAside, type Version, withoutNull } from './set-aside.ts';
import { NULL_VERSION, versionIdOf, versioningOf, versionKey } from './version-format.ts';

export interface Vacation extends Named {
  readonly conditions?: Conditions | undefined;
  /** Only while this holds of what stands there, which may be past its time. */
  readonly only?: ((found: Version) => boolean) | undefined;
}

/** Resolves with what stood there; undefined when there was no object. Faults as of `commit`. */
export async function vacate(
  engine: Engine,
  { container, name, conditions, only }: Vacation,
): Promise<Version | undefined> {
  const place = new Place(engine, { container, name });
  let found: Version | undefined;
  await place.decide(async (current, ballot, mine) => {
    const { account, name: containerName } = container.record;
    const head = gravestoneHead({ account, container: containerName, name }, place.key, ballot);
    if (mine) return { write: place.writes({ head }, ballot) };
    const live = liveVersion(current);
    const shown = only ? live : live && recordOf(engine, live.register) && live;
    const fault = conditions && checkWriteConditions(conditions, current && recordOf(engine, current));
    if (fault) return { keep: true, refuse: fault };
    if (!shown || shown.record.marker === true || only?.(shown) === false) return KEEP;
    found ??= shown;
    const isLocked = lockFault(shown.record, engine.cluster.clock.nowMs()) !== undefined;
    const gone = await place.leave(shown, ballot, isLocked);
    return gone ? { write: [...place.writes({ head }, ballot), ...gone] } : KEEP;
  });
  return found;
}

/** `ref` names the version. Faults NoSuchVersion, IsDeleteMarker. */
export async function restoreVersion(engine: Engine, context: Context, ref: ObjectRef): Promise<ObjectInfo> {
  const { versionId = NULL_VERSION, object: name } = ref;
  checkVersion(versionId);
  const container = await writable(engine, context, ref);
  if (versioningOf(container) === undefined) throw new Fault(storeFaults.noSuchVersion, { versionId });
  const place = new Place(engine, { container, name });
  let info: ObjectInfo | undefined;
  await place.decide(async (current, ballot, mine) => {
    const before = liveVersion(current);
    if (before && versionIdOf(before.record) === versionId && before.record.marker !== true) {
      info = toInfo(before.record, before.register.head, true);
      if (!mine) return KEEP;
      const { head, body } = before.register;
      return { write: place.writes({ head: withBallot(head, ballot), body }, ballot) };
    }
    const wanted = liveVersion(await readQuorum(engine.cluster, versionKey(place.key, versionId), true));
    if (!wanted) return { keep: true, refuse: new Fault(storeFaults.noSuchVersion, { versionId }) };
    if (wanted.record.marker) return { keep: true, refuse: new Fault(storeFaults.isDeleteMarker, { versionId }) };
    if (before && !(await place.leave(before, ballot, true))) return KEEP;
    const { head: from, body } = wanted.register;
    const record = { ...wanted.record, restored: ballot };
    const head = recordHead(record, { key: place.key, stamp: headStamp(from), ballot, body });
    place.keep(record.pins);
    info = toInfo(record, head, true);
    place.copyRow.want(wanted, ballot);
    return { write: place.writes({ head, body }, ballot) };
  });
  return info as ObjectInfo;
}

type PlaceJudge = (current: ReadRegister | undefined, ballot: Stamp, mine: boolean) => Promise<Decision>;

/** One decision about what is in an object's register, through all its rounds. */
class Place {
  readonly key: Key;
  readonly copyRow: CopyRow;
  readonly #engine: Engine;
  readonly #named: Named;
  #kept: readonly Pin[] = [];
  /** The null version that nothing can name any more. */
  #gone: readonly Buffer[] = [];
  /** Why what stands there could not be set aside in this round. */
  #obstacle: WriteResult | undefined;

  constructor(engine: Engine, named: Named) {
    this.#engine = engine;
    this.#named = named;
    this.copyRow = new CopyRow(engine, named);
    this.key = objectKey(engine, named.container, named.name);
  }

  async decide(judge: PlaceJudge): Promise<void> {
    const own: OwnRounds = new Set();
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const done = await this.#round(judge, own);
      if (done.result === 'ok') {
        await alignRow(this.#engine, this.#named, done);
        this.#dropPins(done.replaced);
        this.#engine.touched(this.#named.container);
        return;
      }
      await recover(this.#engine, this.#named, done, attempt);
    }
    throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
  }

  #dropPins(replaced: readonly Buffer[]): void {
    if (versioningOf(this.#named.container) === undefined) dropPins(this.#engine, replaced, this.#kept);
    else dropVersionPins(this.#engine, { replaced, gone: this.#gone }, this.#kept);
  }

  async #round(judge: PlaceJudge, own: OwnRounds): Promise<WriteResult> {
    this.#kept = [];
    this.#obstacle = undefined;
    const { cluster } = this.#engine;
    const done = await decide(
      cluster,
      this.key,
      (current, ballot, _granted, mine) => {
        this.#obstacle = undefined;
        this.#gone = [];
        this.copyRow.drop();
        return judge(current, ballot, mine);
      },
      { own },
    ).catch((error: unknown): never => {
      this.copyRow.drop();
      if (!isFault(error, storeFaults.conditionalConflict)) throw error;
      throw new Fault(storeFaults.quorumUnavailable, { reason: 'overtaken' });
    });
    if (done.result === 'ok') this.copyRow.write();
    this.copyRow.drop();
    const obstacle = this.#obstacle;
    this.#obstacle = undefined;
    return obstacle ?? done;
  }

  keep(pins: readonly Pin[] | undefined): void {
    this.#kept = [...this.#kept, ...(pins ?? [])];
  }

  /** The object and its rows under `ballot`. */
  writes(object: QuorumWrite, ballot: Stamp): readonly QuorumWrite[] {
    const { container, name } = this.#named;
    return [object, ...rowsBeside(container, name, object.head, ballot)];
  }

  /**
   * What else must be written when `before` leaves the place; undefined when it could not be set aside. The null version
   * is kept only with `keepsNull`: nothing can name it any more.
   */
  async leave(before: Version, ballot: Stamp, keepsNull = false): Promise<readonly QuorumWrite[] | undefined> {
    if (versioningOf(this.#named.container) === undefined) return [];
    const object = { ...this.#named, key: this.key };
    if (before.record.version === undefined && !keepsNull) {
      this.#gone = [before.register.head];
      return withoutNull(this.#engine, object, before, ballot);
    }
    const aside = await setAside(this.#engine, object, before, ballot);
    if (aside.result !== 'ok') {
      this.#obstacle = aside;
      return undefined;
    }
    this.keep(before.record.pins);
    return [];
  }
}
