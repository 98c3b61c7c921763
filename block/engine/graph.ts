/**
 * The block graph of a volume's daemon: names of its nodes and exports, and the steps that add, move and remove them.
 *
 *     exports -> top (throttle) -> disk (raw) -> disk-file          a plain volume
 *                top -> before-write (copy-before-write) -> disk    while a snapshot is open: it saves to reserve, which is
 *     export past -> reserve (qcow2) -> reserve-file (fixed size)   exported with disk as its backing
 *                           └-> disk
 *                top -> overlay (qcow2) -> fill-file, source (nbd)  while it is filled
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { engineFaults, type VolumeLimits } from './contract.ts';
import type { Qmp } from './qmp.ts';

export const NODES = {
  top: 'top',
  disk: 'disk',
  diskFile: 'disk-file',
  beforeWrite: 'before-write',
  past: 'past',
  probe: 'probe',
  nowhere: 'nowhere',
  reserve: 'reserve',
  reserveFile: 'reserve-file',
  overlay: 'overlay',
  fillFile: 'fill-file',
  source: 'source',
  repair: 'repair',
  pivot: 'pivot-filter',
  bitmaps: 'bitmaps',
  copy: 'copy',
} as const;

const LIMITS_OBJECT = 'limits';
const CREATE_JOB = 'create';
const EXPORT_GONE_MS_MAX = 10_000;
const JOB_POLL_MS_MIN = 1;
const JOB_POLL_MS_MAX = 200;

export interface BitmapInfo {
  readonly name?: string;
  readonly recording: boolean;
  readonly busy: boolean;
  readonly inconsistent?: boolean;
  readonly count: number;
}

interface NodeInfo {
  readonly 'node-name': string;
  readonly 'dirty-bitmaps'?: readonly BitmapInfo[];
}

export interface JobInfo {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
  readonly 'current-progress': number;
  readonly 'total-progress': number;
}

export async function nodeNames(qmp: Qmp): Promise<Set<string>> {
  const nodes = await qmp.command<NodeInfo[]>('query-named-block-nodes', { flat: true });
  return new Set(nodes.map((node) => node['node-name']));
}

/** Named bitmaps of a node. */
export async function bitmapsOf(qmp: Qmp, nodeName: string): Promise<Map<string, BitmapInfo>> {
  const nodes = await qmp.command<NodeInfo[]>('query-named-block-nodes', { flat: true });
  const found = nodes.find((node) => node['node-name'] === nodeName)?.['dirty-bitmaps'] ?? [];
  return new Map(found.flatMap((bitmap) => (bitmap.name === undefined ? [] : [[bitmap.name, bitmap]])));
}

export async function dropNodes(qmp: Qmp, names: readonly string[]): Promise<void> {
  const there = await nodeNames(qmp);
  for (const name of names) if (there.has(name)) await qmp.command('blockdev-del', { 'node-name': name });
}

/** `discard` must be given to each node of a path, or the discards end there. */
export async function addDisk(qmp: Qmp, dataPath: string, options: { readonly locking?: 'off' } = {}): Promise<void> {
  await qmp.command('blockdev-add', {
    'node-name': NODES.disk,
    driver: 'raw',
    discard: 'unmap',
    file: { 'node-name': NODES.diskFile, driver: 'file', filename: dataPath, discard: 'unmap', ...options },
  });
}

export async function addTop(qmp: Qmp, child: string): Promise<void> {
  await qmp.command('blockdev-add', { 'node-name': NODES.top, ...topOver(child) });
}

const topOver = (child: string) => ({
  driver: 'throttle',
  'throttle-group': LIMITS_OBJECT,
  discard: 'unmap',
  file: child,
});

/** In flight requests end first, none is lost; the exports above do not notice. */
export async function pointTop(qmp: Qmp, child: string): Promise<void> {
  await qmp.command('blockdev-reopen', { options: [{ 'node-name': NODES.top, ...topOver(child) }] });
}

function throttleLimits(limits: VolumeLimits): Record<string, number> {
  return {
    'iops-total': limits.iopsTotal ?? 0,
    'iops-read': limits.iopsRead ?? 0,
    'iops-write': limits.iopsWrite ?? 0,
    'bps-total': limits.bytesTotal ?? 0,
    'bps-read': limits.bytesRead ?? 0,
    'bps-write': limits.bytesWrite ?? 0,
  };
}

export async function addLimits(qmp: Qmp, limits: VolumeLimits): Promise<void> {
  await qmp.command('object-add', {
    'qom-type': 'throttle-group',
    id: LIMITS_OBJECT,
    limits: throttleLimits(limits),
  });
}

export async function changeLimits(qmp: Qmp, limits: VolumeLimits): Promise<void> {
  await qmp.command('qom-set', {
    path: `/objects/${LIMITS_OBJECT}`,
    property: 'limits',
    value: throttleLimits(limits),
  });
}

export async function exportIds(qmp: Qmp): Promise<Set<string>> {
  const found = await qmp.command<{ readonly id: string }[]>('query-block-exports');
  return new Set(found.map((one) => one.id));
}

/** Ends its connections; gone when the promise resolves. */
export async function dropExport(qmp: Qmp, clock: Clock, id: string): Promise<void> {
  if (!(await exportIds(qmp)).has(id)) return;
  await qmp.command('block-export-del', { id, mode: 'hard' });
  const deadlineMs = clock.monotonicMs() + EXPORT_GONE_MS_MAX;
  while ((await exportIds(qmp)).has(id)) {
    if (clock.monotonicMs() > deadlineMs)
      throw new Fault(engineFaults.unavailable, { id }, 'an export does not go away');
    await clock.sleep(JOB_POLL_MS_MIN);
  }
}

export async function findJob(qmp: Qmp, id: string): Promise<JobInfo | undefined> {
  return (await qmp.command<JobInfo[]>('query-jobs')).find((job) => job.id === id);
}

/** Waits until a job is in one of these states (or has ended) and returns it. */
async function waitForJob(qmp: Qmp, clock: Clock, id: string, states: readonly string[]): Promise<JobInfo> {
  for (let pollMs = JOB_POLL_MS_MIN; ; pollMs = Math.min(pollMs * 2, JOB_POLL_MS_MAX)) {
    const job = await findJob(qmp, id);
    if (!job) throw new Fault(engineFaults.refused, { job: id }, 'the job is gone');
    if (states.includes(job.status) || job.status === 'concluded') return job;
    await clock.sleep(pollMs);
  }
}

/** The job's end; dismissed. Its error is `refused`. */
export async function endOfJob(qmp: Qmp, clock: Clock, id: string): Promise<void> {
  const job = await waitForJob(qmp, clock, id, ['concluded']);
  await qmp.command('job-dismiss', { id });
  if (job.error !== undefined)
    throw new Fault(engineFaults.refused, { job: id, reason: job.error }, `${id}: ${job.error}`);
}

export async function readyJob(qmp: Qmp, clock: Clock, id: string): Promise<void> {
  const job = await waitForJob(qmp, clock, id, ['ready']);
  if (job.status !== 'ready') await endOfJob(qmp, clock, id);
}

/** Cancels and forgets a job; no error if there is none. */
export async function dropJob(qmp: Qmp, clock: Clock, id: string): Promise<void> {
  const job = await findJob(qmp, id);
  if (!job) return;
  if (job.status !== 'concluded') {
    try {
      await qmp.command('job-cancel', { id });
    } catch (error) {
      // It has just ended by itself.
      if (!isFault(error, engineFaults.refused)) throw error;
    }
  }
  await waitForJob(qmp, clock, id, ['concluded']);
  await qmp.command('job-dismiss', { id });
}

/** An image made by the daemon itself; `options` as for blockdev-create. */
export async function createImage(qmp: Qmp, clock: Clock, options: Record<string, unknown>): Promise<void> {
  await dropCreation(qmp, clock);
  await qmp.command('blockdev-create', { 'job-id': CREATE_JOB, options });
  await endOfJob(qmp, clock, CREATE_JOB);
}

/** One that an earlier agent began holds its nodes. */
export const dropCreation = (qmp: Qmp, clock: Clock): Promise<void> => dropJob(qmp, clock, CREATE_JOB);
