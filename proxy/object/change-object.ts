/**
 * Changes what is said about an object, or about one of its versions, and nothing else: ACL, tags. A read-modify-write of
 * the record, so it is decided (ADR 1), on the object's register, whichever register holds the version: deletions, which
 * move versions, are decided there too. Neither its stamp nor its row changes.
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headStamp, type Key, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { pause } from '../pause.ts';
import { type Decision, decide, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { type Action, authorise, authoriseFound } from './authorise.ts';
import { objectKey } from './commit.ts';
import { liveVersion } from './commit-version.ts';
import { type ContainerState, noContainer } from './containers.ts';
import { type Context, type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { type ObjectRecord, recordHead, toInfo } from './object-format.ts';
import type { Version } from './set-aside.ts';
import { versionIdOf, versioningOf, versionKey } from './version-format.ts';

const TRIES_MAX = 10;

export interface ObjectChange {
  /** What the caller must be allowed to do. */
  readonly action: Action;
  /** Called once a round, on what a majority holds; undefined leaves it as it is. Throws to refuse. Doing it twice does no harm. */
  change(record: ObjectRecord, container: ContainerRecord): ObjectRecord | undefined;
}

/** The object as it is afterwards. Faults NoSuchContainer, NoSuchObject, NoSuchVersion, IsDeleteMarker, AccessDenied. */
export async function changeObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  change: ObjectChange,
): Promise<ObjectInfo> {
  const own: OwnRounds = new Set();
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const container = await engine.containers.findFresh(ref);
    const settled = authorise(context, change.action, ref, container?.record);
    if (!container) throw noContainer();
    const round = new Round({ engine, context, ref, change, container, settled });
    const judge = (current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> => round.judge(current, ballot);
    const done = await decide(engine.cluster, round.key, judge, { own, judgesOwn: true });
    if (done.result === 'ok' && round.info) return round.info;
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result !== 'newer' && done.result !== 'sealed') break;
    engine.cluster.stamps.observe(done.ballot);
    await pause(engine.cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

interface Asked {
  readonly engine: Engine;
  readonly context: Context;
  readonly ref: ObjectRef;
  readonly change: ObjectChange;
  readonly container: ContainerState;
  /** The caller's right does not depend on the object. */
  readonly settled: boolean;
}

class Round {
  readonly key: Key;
  info: ObjectInfo | undefined;
  readonly #asked: Asked;

  constructor(asked: Asked) {
    this.#asked = asked;
    this.key = objectKey(asked.engine, asked.container, asked.ref.object);
  }

  async judge(current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> {
    const { versionId } = this.#asked.ref;
    const live = liveVersion(current);
    const isCurrent = live !== undefined && (versionId === undefined || versionIdOf(live.record) === versionId);
    const found = isCurrent || versionId === undefined ? live : await this.#aside(versionId);
    try {
      const record = this.#changed(found);
      if (!record || !found || !current) return { keep: true };
      const { head: old, body } = found.register;
      const at = isCurrent ? this.key : versionKey(this.key, versionIdOf(record));
      const head = recordHead(record, { key: at, stamp: headStamp(old), ballot, body });
      const own = { head: withBallot(current.head, ballot), body: current.body };
      return { write: isCurrent ? [{ head, body }] : [own, { head, body }] };
    } catch (error) {
      if (error instanceof Fault) return { keep: true, refuse: error };
      throw error;
    }
  }

  async #aside(versionId: string): Promise<Version | undefined> {
    return liveVersion(await readQuorum(this.#asked.engine.cluster, versionKey(this.key, versionId), true));
  }

  /** Undefined where nothing changes. */
  #changed(found: Version | undefined): ObjectRecord | undefined {
    const { engine, context, ref, change, container, settled } = this.#asked;
    const isMarker = found?.record.marker === true;
    const isGone = !found || isMarker || (ref.versionId === undefined && engine.expired(found.record));
    const record = isGone ? null : found.record;
    if (!settled) authoriseFound(context, change.action, ref, { container: container.record, found: record });
    if (!record || !found) throw nothingThere(ref, isMarker ? found : undefined);
    const next = change.change(record, container.record);
    this.info = toInfo(next ?? record, found.register.head, versioningOf(container) !== undefined);
    return next;
  }
}

function nothingThere({ versionId }: ObjectRef, marker: Version | undefined): Fault {
  const details = marker ? { deleteMarker: versionIdOf(marker.record) } : {};
  if (versionId === undefined) return new Fault(storeFaults.noSuchObject, details);
  return new Fault(marker ? storeFaults.isDeleteMarker : storeFaults.noSuchVersion, details);
}
