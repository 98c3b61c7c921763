/**
 * Micro-benchmark of the fabric: one client process, one server process, CPU of both ends per call. Run it with
 * `node build/bench/rpc.js [unix|tcp] [scale]`; wall rates on a shared machine say little, CPU per call says more.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../fabric/clock.ts';
import type { Endpoint } from '../fabric/net.ts';
import { systemRandom } from '../fabric/random.ts';
import { connectPeer, type SocketPeer } from '../fabric/rpc/client.ts';
import type { Handlers } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { listenRpc } from '../fabric/rpc/server.ts';

const identity = { clusterId: 'bench', secret: 'bench', random: systemRandom, clock: systemClock };
const MIB = Buffer.alloc(1024 * 1024, 1);

const handlers: Handlers = {
  put: (args: { data: Uint8Array }) => ({ value: { bytes: args.data.length } }),
  get: () => ({ value: MIB }),
  stream: (count: number) => ({ value: null, download: pieces(count) }),
  sink: async (_args: null, { upload }) => {
    let bytes = 0;
    for (let piece = await upload?.next(); piece; piece = await upload?.next()) bytes += piece.length;
    return { value: bytes };
  },
  cpu: () => ({ value: process.cpuUsage() }),
};

function pieces(count: number) {
  let left = count;
  return { next: async () => (left-- > 0 ? MIB.subarray(0, 256 * 1024) : undefined), cancel() {} };
}

interface Row {
  readonly label: string;
  readonly calls: number;
  readonly inFlight: number;
  run(peer: Pick<SocketPeer, 'call'>): Promise<unknown>;
}

const small = Buffer.alloc(4096, 2);
const args4k = {
  account: 'AUTH_bench',
  container: 'c',
  name: 'objects/0000001',
  stamp: '0123456789abcdef',
  data: small,
};

const streamed = async (peer: Pick<SocketPeer, 'call'>): Promise<void> => {
  const { download } = await peer.call('stream', 256);
  while (await download?.next());
};

const rows: readonly Row[] = [
  { label: 'put 4 KiB', calls: 60_000, inFlight: 64, run: (peer) => peer.call('put', args4k) },
  { label: 'put 4 KiB, bare', calls: 60_000, inFlight: 64, run: (peer) => peer.call('put', { data: small }) },
  { label: 'put 4 KiB', calls: 10_000, inFlight: 8, run: (peer) => peer.call('put', args4k) },
  { label: 'put 4 KiB', calls: 3_000, inFlight: 1, run: (peer) => peer.call('put', args4k) },
  { label: 'put 1 MiB', calls: 600, inFlight: 8, run: (peer) => peer.call('put', { data: MIB }) },
  { label: 'get 1 MiB', calls: 600, inFlight: 8, run: (peer) => peer.call('get', null) },
  { label: 'download 64 MiB', calls: 8, inFlight: 2, run: streamed },
  { label: 'upload 64 MiB', calls: 8, inFlight: 2, run: (peer) => peer.call('sink', null, { upload: pieces(256) }) },
];

async function drive(row: Row, peer: Pick<SocketPeer, 'call'>, calls: number): Promise<void> {
  let started = 0;
  const lane = async (): Promise<void> => {
    while (started < calls) {
      started++;
      await row.run(peer);
    }
  };
  await Promise.all(Array.from({ length: row.inFlight }, lane));
}

const micros = (usage: NodeJS.CpuUsage): number => usage.user + usage.system;

async function measure(row: Row, peer: Pick<SocketPeer, 'call'>, scale: number): Promise<void> {
  const calls = Math.max(1, Math.round(row.calls * scale));
  await drive(row, peer, Math.ceil(calls / 5));
  const serverCpu = async (): Promise<number> => micros((await peer.call('cpu', null)).value as NodeJS.CpuUsage);
  const server = await serverCpu();
  const client = process.cpuUsage();
  const startedMs = performance.now();
  await drive(row, peer, calls);
  const wallMs = performance.now() - startedMs;
  const clientUs = micros(process.cpuUsage(client)) / calls;
  const serverUs = ((await serverCpu()) - server) / calls;
  const rate = `${Math.round((calls / wallMs) * 1000)}/s`;
  const name = `${row.label} x${row.inFlight}`.padEnd(24);
  console.log(`${name} client ${clientUs.toFixed(1)} us  server ${serverUs.toFixed(1)} us  ${rate}`);
}

async function serve(endpoint: Endpoint): Promise<void> {
  const listener = await listenRpc(handlers, { ...identity, name: 'server', endpoint });
  process.send?.(listener.endpoint);
  process.on('disconnect', () => void listener.close());
}

async function overSockets(kind: string, scale: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'nt-bench-rpc-'));
  const endpoint: Endpoint = kind === 'unix' ? { path: join(directory, 's') } : { host: '127.0.0.1', port: 0 };
  const child = fork(fileURLToPath(import.meta.url), ['serve', JSON.stringify(endpoint)]);
  const bound = await new Promise<Endpoint>((resolve) => void child.once('message', (e) => resolve(e as Endpoint)));
  const peer = connectPeer({ ...identity, name: 'client', peerName: 'server', endpoint: bound });
  await peer.whenUp(5000);
  console.log(kind);
  for (const row of rows) await measure(row, peer, scale);
  await peer.close();
  child.disconnect();
  rmSync(directory, { recursive: true, force: true });
}

async function inProcess(scale: number): Promise<void> {
  const peer = createLocalPeer('local', handlers, { clock: systemClock });
  const calls = Math.round(2_000_000 * scale);
  for (let round = 0; round < 2; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i++) await peer.call('put', args4k);
    const callUs = micros(process.cpuUsage(before)) / calls;
    if (round === 1) console.log(`local: ${callUs.toFixed(2)} us per synchronous call, with the await`);
  }
}

const [command = 'all', argument = '1'] = process.argv.slice(2);
if (command === 'serve') await serve(JSON.parse(argument) as Endpoint);
else {
  const scale = Number(argument);
  if (command === 'all' || command === 'local') await inProcess(scale);
  for (const kind of ['unix', 'tcp']) if (command === 'all' || command === kind) await overSockets(kind, scale);
}
