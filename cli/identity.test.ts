// Rotation by the command, beside a running identity: tokens of before hold until their key is dropped, then nowhere.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createTokenVerifier } from '../compute/identity/verifier.ts';
import { systemClock } from '../fabric/clock.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { stayAlive } from '../test/conformance/rpc.ts';
import { ADMIN, ADMIN_SCOPE, startIdentityBed } from '../test/identity-bed.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const COMMAND_MS = 60_000;
stayAlive(t);

function needletail(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: COMMAND_MS });
}

t.test('rotate-keys', async (t) => {
  const bed = await startIdentityBed();
  t.teardown(() => bed.stop());
  const peer = createLocalPeer('identity', bed.service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(() => verifier.stop());
  await verifier.ready;
  const folder = join(bed.directory, 'fernet-keys');
  const old = bed.admin.token as string;

  const first = needletail('identity', 'rotate-keys', folder, '--json');
  t.same(JSON.parse(first.stdout), { primary: 2, active: [0, 1, 2], purged: [] });
  await bed.service.identity.tokenKeys.reload();
  t.ok(await verifier.authenticate(old), 'its key is still read');
  const { client } = await bed.login(ADMIN, ADMIN_SCOPE);
  t.ok(await verifier.authenticate(client.token as string));

  const second = needletail('identity', 'rotate-keys', folder, '--max-active-keys', '3');
  t.equal(second.stdout, 'primary 3; active 0, 2, 3; dropped 1\n');
  await bed.service.identity.tokenKeys.reload();
  const endMs = Date.now() + 60_000;
  while ((await verifier.authenticate(old)) !== undefined && Date.now() < endMs) await systemClock.sleep(10);
  t.equal(await verifier.authenticate(old), undefined, 'its key is gone');
  t.equal((await bed.admin.call('GET', '/v3/auth/projects')).status, 401);
  t.equal((await client.call('GET', '/v3/auth/projects')).status, 200);
  t.notMatch(first.stdout + first.stderr + second.stderr, /[\w-]{43}=/, 'no key is shown');
});

t.test('what it refuses', async (t) => {
  const wrong = needletail('identity', 'rotate-keys', t.testdir());
  t.match(wrong, { status: 1, stderr: /holds no keys/ });
  t.equal(needletail('identity', 'rotate-keys', t.testdir(), '--max-active-keys', '1').status, 2);
});
