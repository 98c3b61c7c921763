// "needletail status": asks the running cluster of a data directory how its devices are and what is owed between them.
// Exit 0: all devices up, nothing owed. 1: something is missing. 2: the cluster cannot be asked.
// With --wait it asks again until all is well or the time is over; the last answer is the one that is printed.
import path from 'node:path';
import process from 'node:process';
import type { Command } from 'commander';
import type { SocketPeer } from '../fabric/rpc/client.ts';
import type { AdminCalls, DeviceReport } from './cluster/admin.ts';
import { CommandExit } from './command-exit.ts';

const EXIT_MISSING = 1;
const EXIT_NO_ANSWER = 2;
const CONNECT_MS = 3_000;
const ASK_MS = 10_000;
const ASK_AGAIN_MS = 500;

interface Options {
  readonly data: string;
  readonly json?: boolean;
  readonly wait: number;
}

export function register(program: Command): void {
  program
    .command('status')
    .description('how the devices of a running cluster are, and what is still owed between them')
    .option('--data <dir>', 'data directory of the cluster', './data')
    .option('--json', 'as one JSON document')
    .option('--wait <seconds>', 'ask until all is well, at most this long', Number, 0)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const { connectAdmin } = await import('./cluster/admin.ts');
  const { parseIdentity, readIfThere } = await import('./cluster/identity.ts');
  const { missing, statusText, verdict } = await import('./cluster/status-text.ts');
  const directory = path.resolve(options.data);
  const file = path.join(directory, 'cluster.json');
  const text = readIfThere(file);
  if (text === undefined) return noAnswer(`there is no cluster in ${directory}`);
  const { stayAlive } = await import('../fabric/clock.ts');
  const alive = stayAlive();
  const peer = connectAdmin({ directory, identity: parseIdentity(text, file) });
  let devices: readonly DeviceReport[];
  try {
    devices = await askUntil(peer, options.wait * 1000, (reports) => missing(reports).length === 0);
  } catch (error) {
    return noAnswer(`the cluster in ${directory} does not answer: ${(error as Error).message}`);
  } finally {
    await peer.close();
    alive.cancel();
  }
  const whole = missing(devices).length === 0;
  const report = { whole, verdict: verdict(devices), devices };
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : statusText(devices));
  if (!whole) throw new CommandExit(EXIT_MISSING);
}

/** The first answer that `done` accepts, or the last one within the time. Faults only if none came at all. */
async function askUntil(
  peer: SocketPeer,
  waitMs: number,
  done: (devices: readonly DeviceReport[]) => boolean,
): Promise<readonly DeviceReport[]> {
  const { systemClock } = await import('../fabric/clock.ts');
  const endMs = systemClock.monotonicMs() + waitMs;
  let last: readonly DeviceReport[] | undefined;
  for (;;) {
    try {
      await peer.whenUp(CONNECT_MS);
      const reply = await peer.call('status', {}, { deadlineMs: ASK_MS });
      last = (reply.value as AdminCalls['status']['reply']).devices;
      if (done(last)) return last;
    } catch (error) {
      if (!last && systemClock.monotonicMs() >= endMs) throw error;
    }
    if (last && systemClock.monotonicMs() >= endMs) return last;
    await systemClock.sleep(ASK_AGAIN_MS);
  }
}

function noAnswer(reason: string): never {
  process.stderr.write(`needletail: ${reason}\n`);
  throw new CommandExit(EXIT_NO_ANSWER);
}
