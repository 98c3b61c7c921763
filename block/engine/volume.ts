/**
 * One volume: its durable state, its turn (one operation after another), and what each operation means in which phase. The
 * steps themselves are in the files beside this one. State is written before the step that it announces.
 */
import { Fault } from '../../fabric/errors.ts';
import { markSaved, storeBase } from './bitmap-store.ts';
import { removeBitmap } from './bitmaps.ts';
import { tryReflink } from './clone.ts';
import {
  type Attachment,
  type AttachOptions,
  type EngineEvent,
  engineFaults,
  type FillSource,
  type FillStatus,
  type SnapshotHandle,
  type SnapshotStatus,
  TRANSPORTS,
  type VolumeLimits,
  type VolumeStatus,
} from './contract.ts';
import {
  addExport,
  checkAttachment,
  describeAttachment,
  dropAllExports,
  hideExports,
  removeExport,
  showExports,
  syncExports,
} from './exports.ts';
import { Filler } from './filler.ts';
import { changeLimits, NODES } from './graph.ts';
import { Keeper, pause } from './keeper.ts';
import type { VolumePaths } from './paths.ts';
import type { Qmp } from './qmp.ts';
import {
  CLONE_PREFIX,
  closeSnapshot,
  failSnapshot,
  openSnapshot,
  reserveIsLow,
  reserveUsedBytes,
  snapshotHandle,
  verifySnapshot,
} from './snapshot.ts';
import { type AttachmentState, encodeState, type SnapshotState, type VolumeState } from './state-format.ts';
import type { EngineWorld, VolumeContext } from './volume-context.ts';

const OPERATIONS_QUEUED_MAX = 64;
const ATTACHMENTS_MAX = 32;
const SNAPSHOT_WATCH_MS = 250;
const FILL_POLL_MS = 50;
const SECRET_BYTES = 32;
const STATE_MODE = 0o600;

export interface VolumeOptions {
  readonly world: EngineWorld;
  readonly paths: VolumePaths;
  readonly state: VolumeState;
  readonly emit: (event: EngineEvent) => void;
}

export class Volume implements VolumeContext {
  readonly world: EngineWorld;
  readonly paths: VolumePaths;
  readonly emit: (event: EngineEvent) => void;
  readonly #keeper: Keeper;
  readonly #filler: Filler;
  #state: VolumeState;
  #turn: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #watching = false;

  constructor({ world, paths, state, emit }: VolumeOptions) {
    this.world = world;
    this.paths = paths;
    this.emit = emit;
    this.#state = state;
    const exclusive = <T>(run: () => Promise<T>): Promise<T> => this.#exclusive(run);
    this.#keeper = new Keeper(this, { exclusive, up: () => this.#startBackground() });
    this.#filler = new Filler(this, this.#keeper, exclusive);
  }

  get state(): VolumeState {
    return this.#state;
  }

  async save(change: Partial<VolumeState>): Promise<void> {
    const next = { ...this.#state, ...change };
    await this.world.disk.replaceFile(this.paths.state, encodeState(next), STATE_MODE);
    this.#state = next;
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    if (this.#queued >= OPERATIONS_QUEUED_MAX) return Promise.reject(new Fault(engineFaults.overloaded));
    this.#queued++;
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => {}).finally(() => this.#queued--);
    return done;
  }

  #refuseWhileFilling(): void {
    if (this.#state.phase === 'filling') throw new Fault(engineFaults.filling);
  }

  #refuseDuringSnapshot(): void {
    const { snapshot } = this.#state;
    if (snapshot && snapshot.step !== 'failed')
      throw new Fault(engineFaults.snapshotOpen, { snapshotId: snapshot.snapshotId });
  }

  #refuseWhileAttached(): void {
    if (this.#state.attachments.length > 0) throw new Fault(engineFaults.attached);
  }

  /** Writes the first state. */
  persist(): Promise<void> {
    return this.#exclusive(() => this.save({}));
  }

  /** After the agent's start: the daemon is found or comes back in the background. */
  async adopt(): Promise<void> {
    await this.#exclusive(async () => {
      // One that is being filled has a daemon from its beginning, even if the agent died before it could say so.
      if (!this.#state.wanted && this.#state.phase !== 'filling') return this.#keeper.end('orderly');
      await this.#seeGrowth();
      try {
        await this.#keeper.running();
      } catch (error) {
        this.#keeper.lastError = (error as Error).message;
        this.#keeper.recover();
      }
    });
  }

  /** The agent may have died after the file grew and before it could say so: clients see the file's size. */
  async #seeGrowth(): Promise<void> {
    const { phase, sizeBytes, snapshot } = this.#state;
    if (phase !== 'ready' || snapshot) return;
    const there = await this.world.files.size(this.paths.data);
    if (there && there.bytes > sizeBytes) await this.save({ sizeBytes: there.bytes });
  }

  /** Makes the files and starts the daemon if need be. */
  open(): Promise<void> {
    return this.#exclusive(async () => void (await this.#keeper.running()));
  }

  async status(): Promise<VolumeStatus> {
    const { id, sizeBytes, phase, limits, attachments, base } = this.#state;
    const { pid, lastError } = this.#keeper;
    return {
      id,
      sizeBytes,
      phase,
      running: pid !== undefined,
      allocatedBytes: await this.#allocatedBytes(),
      limits,
      attachments: attachments.map((one) => describeAttachment(this, one)),
      snapshot: await this.snapshotStatus(),
      fill: await this.fillStatus(),
      restarts: this.#keeper.restarts,
      ...(base && { baseSnapshotId: base.snapshotId }),
      ...(pid !== undefined && { daemonPid: pid }),
      ...(lastError !== undefined && { lastError }),
    };
  }

  async #allocatedBytes(): Promise<number> {
    const { data, overlay, reserve, bitmaps } = this.paths;
    const sizes = await Promise.all([data, overlay, reserve, bitmaps].map((path) => this.world.files.size(path)));
    return sizes.reduce((sum, size) => sum + (size?.allocatedBytes ?? 0), 0);
  }

  attach(options: AttachOptions): Promise<Attachment> {
    return this.#exclusive(async () => {
      const known = this.#state.attachments.find((one) => one.attachmentId === options.attachmentId);
      if (known) return this.#attachedAlready(known, options);
      if (this.#state.attachments.length >= ATTACHMENTS_MAX) throw new Fault(engineFaults.overloaded);
      const attachment = this.#newAttachment(options);
      checkAttachment(attachment);
      const qmp = await this.#keeper.running();
      await this.save({ attachments: [...this.#state.attachments, attachment] });
      try {
        await addExport(this, qmp, attachment);
        if (attachment.transport === TRANSPORTS.tcp) await this.#keeper.front(attachment.attachmentId);
      } catch (error) {
        await this.#detach(attachment.attachmentId);
        throw error;
      }
      return this.#described(attachment.attachmentId);
    });
  }

  #newAttachment({ attachmentId, transport, readOnly = false, secretHex }: AttachOptions): AttachmentState {
    const common = { attachmentId, transport, readOnly };
    if (transport !== TRANSPORTS.tcp) return common;
    const drawn = secretHex ?? this.world.random.bytes(SECRET_BYTES).toString('hex');
    return { ...common, secretHex: drawn, host: this.world.fronts.host };
  }

  #described(attachmentId: string): Attachment {
    const found = this.#state.attachments.find((one) => one.attachmentId === attachmentId);
    if (!found) throw new Fault(engineFaults.unavailable, { attachmentId });
    return describeAttachment(this, found);
  }

  async #attachedAlready(known: AttachmentState, options: AttachOptions): Promise<Attachment> {
    if (known.transport !== options.transport || known.readOnly !== (options.readOnly ?? false))
      throw new Fault(engineFaults.attached, { attachmentId: known.attachmentId });
    await this.#keeper.running();
    return describeAttachment(this, known);
  }

  detach(attachmentId: string): Promise<void> {
    return this.#exclusive(() => this.#detach(attachmentId));
  }

  async #detach(attachmentId: string): Promise<void> {
    const gone = this.#state.attachments.find((one) => one.attachmentId === attachmentId);
    if (!gone) return;
    await this.save({ attachments: this.#state.attachments.filter((one) => one !== gone) });
    if (gone.transport === TRANSPORTS.tcp) await this.#keeper.endFront(attachmentId);
    // Of a dead daemon nothing is left to remove: it comes back without.
    if (this.#keeper.qmp) await removeExport(this, this.#keeper.qmp, attachmentId);
  }

  close(): Promise<void> {
    return this.#exclusive(async () => {
      this.#refuseWhileAttached();
      this.#refuseDuringSnapshot();
      this.#refuseWhileFilling();
      if (!this.#state.wanted) return;
      const qmp = await this.#keeper.running();
      const saved = await this.#tryStoreBase(qmp);
      await this.save(saved ? { wanted: false } : { wanted: false, base: undefined });
      await this.#keeper.end('orderly');
      await this.#removeSockets();
      await markSaved(this);
    });
  }

  async #removeSockets(): Promise<void> {
    const { qmpSocket, nbdSocket, nbdSocketHidden, pidFile } = this.paths;
    for (const path of [qmpSocket, nbdSocket, nbdSocketHidden, pidFile]) await this.world.disk.remove(path);
  }

  /** Without room for the bitmap the next snapshot reads everything. */
  async #tryStoreBase(qmp: Qmp): Promise<boolean> {
    try {
      await storeBase(this, qmp);
      return true;
    } catch {
      return false;
    }
  }

  resize(sizeBytes: number): Promise<void> {
    return this.#exclusive(async () => {
      if (sizeBytes < this.#state.sizeBytes) throw new Fault(engineFaults.shrink);
      this.#refuseDuringSnapshot();
      this.#refuseWhileFilling();
      if (this.#state.phase === 'lazy') return this.save({ sizeBytes });
      const qmp = await this.#keeper.running();
      // A writable export forbids a change of size; its clients reconnect.
      await hideExports(this);
      try {
        await dropAllExports(this, qmp);
        await qmp.command('block_resize', { 'node-name': NODES.top, size: sizeBytes });
        await this.save({ sizeBytes });
      } finally {
        await syncExports(this, qmp);
        await showExports(this);
      }
      await this.#keeper.restartFronts();
    });
  }

  setLimits(limits: VolumeLimits): Promise<void> {
    return this.#exclusive(async () => {
      await this.save({ limits });
      if (this.#keeper.qmp) await changeLimits(this.#keeper.qmp, limits);
    });
  }

  remove(): Promise<void> {
    return this.#exclusive(async () => {
      this.#refuseWhileAttached();
      await this.save({ wanted: false });
      await this.#keeper.end('at once');
      this.#keeper.release();
      await this.#removeSockets();
      await this.world.files.removeTree(this.paths.dir);
    });
  }

  beginSnapshot(asked: { readonly snapshotId: string; readonly reserveBytes?: number }): Promise<SnapshotHandle> {
    return this.#exclusive(async () => {
      const { snapshot } = this.#state;
      const qmp = await this.#snapshotable();
      if (snapshot?.snapshotId === asked.snapshotId && snapshot.step === 'open') return snapshotHandle(this, snapshot);
      this.#refuseDuringSnapshot();
      const handle = snapshotHandle(this, await openSnapshot(this, qmp, asked));
      this.#watchSnapshot();
      return handle;
    });
  }

  async #snapshotable(): Promise<Qmp> {
    this.#refuseWhileFilling();
    return this.#keeper.running();
  }

  async snapshotStatus(): Promise<SnapshotStatus> {
    const { snapshot } = this.#state;
    if (!snapshot || snapshot.snapshotId.startsWith(CLONE_PREFIX))
      return { state: 'none', reservedBytes: 0, usedBytes: 0 };
    const { snapshotId, reservedBytes, failure } = snapshot;
    if (snapshot.step === 'failed')
      return { state: 'failed', snapshotId, reservedBytes: 0, usedBytes: 0, ...(failure !== undefined && { failure }) };
    return { state: 'open', snapshotId, reservedBytes, usedBytes: await this.#usedBytes() };
  }

  async #usedBytes(): Promise<number> {
    const { qmp } = this.#keeper;
    return qmp ? reserveUsedBytes(qmp).catch(() => 0) : 0;
  }

  verifySnapshot(snapshotId: string): Promise<void> {
    return this.#exclusive(async () => {
      const open = this.#openSnapshot(snapshotId);
      const qmp = await this.#keeper.running();
      if (this.#state.snapshot === open && (await verifySnapshot(this, qmp))) return;
      await failSnapshot(this, qmp, engineFaults.snapshotSpace);
      this.#openSnapshot(snapshotId);
    });
  }

  #openSnapshot(snapshotId: string): SnapshotState {
    const { snapshot } = this.#state;
    if (snapshot?.snapshotId !== snapshotId) throw new Fault(engineFaults.noSnapshot, { snapshotId });
    if (snapshot.step !== 'open') throw new Fault(snapshot.failure ?? engineFaults.snapshotLost, { snapshotId });
    return snapshot;
  }

  endSnapshot(asked: { readonly snapshotId: string; readonly keep: boolean }): Promise<{ baseKept: boolean }> {
    return this.#exclusive(async () => {
      const { snapshot } = this.#state;
      if (snapshot?.snapshotId === asked.snapshotId) {
        if (snapshot.step === 'failed') await this.save({ snapshot: undefined });
        else await this.#endOpenSnapshot(asked.keep);
      }
      return { baseKept: this.#state.base?.snapshotId === asked.snapshotId };
    });
  }

  async #endOpenSnapshot(keep: boolean): Promise<void> {
    const qmp = await this.#keeper.running();
    // Its daemon may have been started again just now: then there is nothing left to take away.
    if (this.#state.snapshot?.step === 'failed') await this.save({ snapshot: undefined });
    else await closeSnapshot(this, qmp, keep && (await verifySnapshot(this, qmp)));
  }

  forgetBase(): Promise<void> {
    return this.#exclusive(async () => {
      this.#refuseDuringSnapshot();
      const { base } = this.#state;
      if (!base) return;
      await this.save({ base: undefined });
      if (this.#keeper.qmp) await removeBitmap(this.#keeper.qmp, base.bitmap);
    });
  }

  #startBackground(): void {
    this.#watchSnapshot();
    this.#filler.start();
  }

  #watchSnapshot(): void {
    if (this.#watching || this.#state.snapshot?.step !== 'open') return;
    this.#watching = true;
    void this.#watch().finally(() => {
      this.#watching = false;
    });
  }

  async #watch(): Promise<void> {
    while (this.#state.snapshot?.step === 'open' && !this.#keeper.released) {
      await pause(this.world.clock, SNAPSHOT_WATCH_MS);
      try {
        await this.#failSnapshotIfLow();
      } catch {
        // The daemon is away; whoever brings it back settles the snapshot.
      }
    }
  }

  async #failSnapshotIfLow(): Promise<void> {
    const { qmp } = this.#keeper;
    const { snapshot } = this.#state;
    if (!qmp || snapshot?.step !== 'open' || !reserveIsLow(snapshot, await reserveUsedBytes(qmp))) return;
    await this.#exclusive(async () => {
      if (this.#state.snapshot === snapshot) await failSnapshot(this, qmp, engineFaults.snapshotSpace);
    });
  }

  fillStatus(): Promise<FillStatus> {
    return this.#filler.status();
  }

  setSource(source: FillSource): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#state.phase !== 'filling') throw new Fault(engineFaults.badRequest, { reason: 'not being filled' });
      await this.save({ source });
      // Only a fresh daemon opens the new source, and this one would wait for the old; clients ride it out.
      await this.#keeper.end('at once');
      this.#keeper.recover();
    });
  }

  /**
   * Begins a copy: shares the file's blocks with `targetData` if it can, or opens a snapshot that the copy is to be filled
   * from. The other then ends it by `endClone`.
   */
  beginClone(targetId: string, targetData: string): Promise<'lazy' | 'copied' | FillSource> {
    return this.#exclusive(async () => {
      this.#refuseWhileFilling();
      if (this.#state.phase === 'lazy') return 'lazy';
      if (await tryReflink(this, targetData)) return 'copied';
      const qmp = await this.#keeper.running();
      this.#refuseDuringSnapshot();
      const { exportName } = await openSnapshot(this, qmp, { snapshotId: CLONE_PREFIX + targetId });
      this.#watchSnapshot();
      return { endpoint: { path: this.paths.nbdSocket }, exportName };
    });
  }

  async endClone(targetId: string): Promise<void> {
    await this.endSnapshot({ snapshotId: CLONE_PREFIX + targetId, keep: false });
  }

  /** Throws when the snapshot that a copy is filled from is no more. */
  checkClone(targetId: string): void {
    this.#openSnapshot(CLONE_PREFIX + targetId);
  }

  verifyClone(targetId: string): Promise<void> {
    return this.verifySnapshot(CLONE_PREFIX + targetId);
  }

  /** Resolves when the volume stands on its own; `check` may end the wait by throwing. */
  async filled(check: () => void): Promise<void> {
    while (this.#state.phase === 'filling') {
      if (this.#keeper.released) throw new Fault(engineFaults.unavailable, {}, 'the engine was released');
      check();
      await pause(this.world.clock, FILL_POLL_MS);
    }
  }

  /** Pending operations end first; the daemons run on. */
  async release(): Promise<void> {
    await this.#turn;
    this.#keeper.release();
  }
}
