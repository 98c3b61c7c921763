/**
 * npm run bench -- identity: what a token costs, on one core: opened with the keys alone, judged against the store, and known
 * to a verifier; what a password costs; how long identity takes to start, new and with what is there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { issue } from '../compute/identity/auth/issue.ts';
import { lookUpUser } from '../compute/identity/auth/lookup.ts';
import { contextOf } from '../compute/identity/auth/resolve.ts';
import { resolveText } from '../compute/identity/auth/resolve-text.ts';
import { bootstrapIdentity } from '../compute/identity/bootstrap.ts';
import { OwnAnswers } from '../compute/identity/own-answers.ts';
import { type IdentityService, startIdentity } from '../compute/identity/start.ts';
import { decodePayload } from '../compute/identity/token-format.ts';
import { createTokenVerifier } from '../compute/identity/verifier.ts';
import { openLmdbStore } from '../control/store/open.ts';
import { systemClock } from '../fabric/clock.ts';
import { systemRandom } from '../fabric/random.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { onEnd } from './cleanup.ts';
import { positive } from './options.ts';

export const IDENTITY_HELP = `npm run bench -- identity [--seconds 2] [--tokens 1000]
  tokens judged a second on one core, with keys alone, against the store, and by a verifier that knows them; what a
  password costs; time to start
`;

interface Row {
  readonly what: string;
  readonly perSecond: number;
}

export async function identity(args: readonly string[]): Promise<boolean> {
  const options = { seconds: { type: 'string', default: '2' }, tokens: { type: 'string', default: '1000' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const seconds = positive('seconds', values.seconds);
  const count = positive('tokens', values.tokens);
  const directory = mkdtempSync(join(tmpdir(), 'needletail-bench-'));
  const remove = onEnd(async () => rmSync(directory, { recursive: true, force: true }));
  const first = await start(directory);
  console.log(`start, new: ${first.ms.toFixed(0)} ms (of it one password hashed)`);
  await first.stop();
  const again = await start(directory);
  console.log(`start, with what is there: ${again.ms.toFixed(0)} ms`);
  for (const { what, perSecond } of await measure(again.service, { seconds, count })) {
    console.log(`${what.padEnd(44)}${Math.round(perSecond).toLocaleString('en')} a second`);
  }
  await again.stop();
  await remove();
  return true;
}

async function start(directory: string) {
  const startMs = performance.now();
  await systemDisk.makeDirectory(join(directory, 'store'));
  const store = await openLmdbStore({ path: join(directory, 'store'), clock: systemClock });
  const world = { store, clock: systemClock, random: systemRandom, disk: systemDisk, onError: console.error };
  const service = await startIdentity({ directory }, world);
  const endpoints = [{ type: 'identity', name: 'keystone', region: 'RegionOne', url: 'http://localhost:5000/v3' }];
  await bootstrapIdentity(service.identity, { adminPassword: 'bench', endpoints });
  const stop = async (): Promise<void> => {
    service.stop();
    await store.close();
  };
  return { service, ms: performance.now() - startMs, stop };
}

async function measure(
  { identity, handlers }: IdentityService,
  { seconds, count }: { seconds: number; count: number },
): Promise<Row[]> {
  const { store, tokenKeys, passwords } = identity;
  const user = await store.read((tx) => lookUpUser(tx, { name: 'admin', domain: { id: 'default' } }));
  const proven = { userId: user?.id as string, methods: ['password'] } as const;
  const tokens: string[] = [];
  for (let i = 0; i < count; i++) {
    tokens.push(
      await store.read(async (tx) => (await issue(tx, identity, { proven, scope: { kind: 'default' } })).token),
    );
  }
  const verifier = createTokenVerifier({
    peer: createLocalPeer('identity', handlers, { clock: systemClock }),
    clock: systemClock,
  });
  await verifier.ready;
  const answers = new OwnAnswers(identity);
  for (const token of tokens) await verifier.authenticate(token);
  const next = (i: number): string => tokens[i % tokens.length] as string;
  const rows = [
    await rate(
      'opened with the keys alone',
      seconds,
      (i) => void decodePayload(tokenKeys.open(next(i))?.payload as Buffer),
    ),
    await rate('judged against the store', seconds, (i) =>
      store.read(async (tx) => {
        const resolved = await resolveText(identity, tx, next(i));
        if (resolved === undefined) throw new Error('a token does not hold');
        contextOf(resolved);
      }),
    ),
    await rate('known to identity itself', seconds, async (i) => {
      if ((await answers.of(next(i))) === undefined) throw new Error('a token does not hold');
    }),
    await rate('known to a verifier', seconds, (i) => {
      if (verifier.authenticate(next(i)) === undefined) throw new Error('a token does not hold');
    }),
    await rate('issued', seconds, () =>
      store.read((tx) => issue(tx, identity, { proven, scope: { kind: 'default' } })),
    ),
    await rate('passwords hashed, one after another', seconds, () => passwords.hash('bench')),
  ];
  verifier.stop();
  return rows;
}

/** CPU of this process is what counts: the machine may have other things to do. Hashing runs on other threads, so by the clock. */
async function rate(what: string, seconds: number, body: (i: number) => unknown): Promise<Row> {
  const isHash = what.startsWith('passwords');
  const nowMs = (): number => {
    const { user, system } = process.cpuUsage();
    return isHash ? performance.now() : (user + system) / 1000;
  };
  const startMs = nowMs();
  let done = 0;
  while (nowMs() - startMs < seconds * 1000) {
    for (let i = 0; i < (isHash ? 1 : 200); i++) {
      const result = body(done++);
      if (result instanceof Promise) await result;
    }
    // The feed of the verifier needs its turns.
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return { what, perSecond: (done / (nowMs() - startMs)) * 1000 };
}
