/** A cluster's condition in words: one block a device, and whether anything is missing. Pure. */
import type { DeviceReport } from './admin.ts';

const MIB = 1024 * 1024;

const bytes = (count: number): string =>
  count < MIB
    ? `${Math.ceil(count / 1024)} KiB`
    : count < 1024 * MIB
      ? `${(count / MIB).toFixed(1)} MiB`
      : `${(count / MIB / 1024).toFixed(2)} GiB`;
/** Positions are segment and offset. */
const position = (lsn: number): string => `${Math.floor(lsn / 2 ** 32)}:${lsn % 2 ** 32}`;

/** What keeps the cluster from being whole; empty when all devices are up and nothing is owed. */
export function missing(devices: readonly DeviceReport[]): string[] {
  const found: string[] = [];
  const silent = new Set(devices.filter(({ status }) => !status).map(({ device }) => String(device)));
  for (const { device, name, status, fault } of devices) {
    const who = `device ${device} (${name})`;
    if (!status) {
      found.push(`${who} does not answer: ${fault}`);
      continue;
    }
    if (status.state !== 'up') found.push(`${who} is ${status.state}${status.reason ? `: ${status.reason}` : ''}`);
    if (status.handoffCopies > 0) found.push(`${who} holds ${status.handoffCopies} handoff copies`);
    if (status.quarantined > 0) found.push(`${who} has ${status.quarantined} damaged records`);
    // Nobody can catch up with a device that does not answer; that one is named already.
    const behind = Object.keys(status.behind).filter((peer) => !silent.has(peer));
    if (behind.length > 0) found.push(`${who} has yet to catch up with device ${behind.join(', ')}`);
  }
  return found;
}

export function verdict(devices: readonly DeviceReport[]): string {
  const found = missing(devices);
  return found.length === 0 ? 'all devices up, nothing owed' : `not whole: ${found.join('; ')}`;
}

export function statusText(devices: readonly DeviceReport[]): string {
  return `${[...devices.map(deviceText), verdict(devices)].join('\n')}\n`;
}

function deviceText({ device, zone, name, status, fault }: DeviceReport): string {
  const title = `device ${device}  ${zone}/${name}`;
  if (!status) return `${title}  no answer (${fault})`;
  const { state, reason, space, liveBytes, logBytes } = status;
  const share = space.totalBytes > 0 ? Math.round(100 * (1 - space.freeBytes / space.totalBytes)) : 0;
  const lines = [
    `${title}  ${state}${reason ? ` (${reason})` : ''}`,
    `  stored ${bytes(liveBytes)} in ${bytes(logBytes)}; its disk is ${share} % full, ${bytes(space.freeBytes)} free`,
    `  log ends at ${position(status.tail)}, on disk up to ${position(status.synced)}, indexed up to ${position(status.checkpointed)}`,
  ];
  const counts = [
    ...Object.entries(status.handoffsFor ?? {}).map(
      ([target, count]) => `${count} handoff copies for device ${target}`,
    ),
    ...Object.entries(status.behind).map(([peer, rest]) => `behind device ${peer} by ${bytes(rest)} of log`),
    ...(status.unsettled > 0 ? [`${status.unsettled} operations under way or unfinished`] : []),
    ...(status.quarantined > 0 ? [`${status.quarantined} damaged records set aside`] : []),
  ];
  return [...lines, ...counts.map((line) => `  ${line}`)].join('\n');
}
