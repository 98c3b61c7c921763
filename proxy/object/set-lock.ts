/**
 * Retention and legal hold of a version that is there. Decided on the object's register, whichever register holds the
 * version: deletions are decided there too, so that of a lock and a deletion that race one comes first and the other sees
 * it. Neither stamp nor row changes.
 */
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headStamp, type Key, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { pause } from '../pause.ts';
import { type Decision, decide, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { authorise } from './authorise.ts';
import { objectKey } from './commit.ts';
import { liveVersion } from './commit-version.ts';
import { type ContainerState, noContainer } from './containers.ts';
import { type Context, type LockChange, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { checkVersion } from './get.ts';
import { recordHead } from './object-format.ts';
import { changedLock, lockOf, mayBypass, missingLock } from './object-lock.ts';
import { checkWritable } from './read-only.ts';
import type { Version } from './set-aside.ts';
import { versionIdOf, versionKey } from './version-format.ts';

const TRIES_MAX = 10;

/** Faults NoSuchObject, NoSuchVersion, IsDeleteMarker, AccessDenied, InvalidRequest (no object lock). */
export async function setObjectLock(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  change: LockChange,
): Promise<void> {
  const own: OwnRounds = new Set();
  const action = change.hold === undefined ? 's3:PutObjectRetention' : 's3:PutObjectLegalHold';
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const container = await engine.containers.findFresh(ref);
    authorise(context, action, ref, container?.record);
    if (!container) throw noContainer();
    if (lockOf(container.record) === undefined) throw missingLock();
    await checkWritable(engine, container.record);
    if (ref.versionId !== undefined) checkVersion(ref.versionId);
    const bypass = mayBypass(context, ref, container.record, change.bypassGovernance);
    const round = new Round(engine, container, { ref, change, bypass });
    const judge = (current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> => round.judge(current, ballot);
    // To set the same lock once more does no harm.
    const done = await decide(engine.cluster, round.key, judge, { own, judgesOwn: true });
    if (done.result === 'ok') return;
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result !== 'newer' && done.result !== 'sealed') break;
    engine.cluster.stamps.observe(done.ballot);
    await pause(engine.cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

class Round {
  readonly key: Key;
  readonly #engine: Engine;
  readonly #wanted: { readonly ref: ObjectRef; readonly change: LockChange; readonly bypass: boolean };

  constructor(
    engine: Engine,
    container: ContainerState,
    wanted: { readonly ref: ObjectRef; readonly change: LockChange; readonly bypass: boolean },
  ) {
    this.#engine = engine;
    this.#wanted = wanted;
    this.key = objectKey(engine, container, wanted.ref.object);
  }

  async judge(current: ReadRegister | undefined, ballot: Stamp): Promise<Decision> {
    const { ref, change, bypass } = this.#wanted;
    const { versionId } = ref;
    const live = liveVersion(current);
    const isCurrent = live !== undefined && (versionId === undefined || versionIdOf(live.record) === versionId);
    const aside = isCurrent || versionId === undefined ? undefined : await this.#aside(versionId);
    const found = isCurrent ? live : aside;
    const refuse = this.#refusal(found);
    if (!found || !current || refuse) return { keep: true, ...(refuse ? { refuse } : {}) };
    try {
      const locks = changedLock(found.record, change, { nowMs: this.#engine.cluster.clock.nowMs(), bypass });
      const { head: old, body } = found.register;
      const at = isCurrent ? this.key : versionKey(this.key, versionIdOf(found.record));
      const head = recordHead({ ...found.record, ...locks }, { key: at, stamp: headStamp(old), ballot, body });
      if (isCurrent) return { write: [{ head, body }] };
      return {
        write: [
          { head: withBallot(current.head, ballot), body: current.body },
          { head, body },
        ],
      };
    } catch (error) {
      if (error instanceof Fault) return { keep: true, refuse: error };
      throw error;
    }
  }

  async #aside(versionId: string): Promise<Version | undefined> {
    return liveVersion(await readQuorum(this.#engine.cluster, versionKey(this.key, versionId), true));
  }

  #refusal(found: Version | undefined): Fault | undefined {
    const { versionId } = this.#wanted.ref;
    const isGone = !found || (versionId === undefined && this.#engine.expired(found.record));
    const isMarker = found?.record.marker === true;
    if (isMarker && versionId !== undefined) {
      return new Fault(storeFaults.isDeleteMarker, { deleteMarker: versionIdOf(found.record) });
    }
    if (!isGone && !isMarker) return undefined;
    return versionId === undefined
      ? new Fault(storeFaults.noSuchObject)
      : new Fault(storeFaults.noSuchVersion, { versionId });
  }
}
