// Stored secrets: what was hashed verifies, what Keystone's library hashed verifies too, floods are refused.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { systemRandom } from '../../fabric/random.ts';
import { findPython, missingPython } from '../../test/tools.ts';
import { parseSecret } from './password-format.ts';
import { createPasswords } from './passwords.ts';

const CHEAP = { logN: 4, r: 8, p: 1 };
const passwords = createPasswords(systemRandom, CHEAP);

t.test('passwords', async (t) => {
  const stored = await passwords.hash('größe 7');
  t.match(stored, /^\$scrypt\$ln=4,r=8,p=1\$/);
  t.equal(await passwords.verify('größe 7', stored), true);
  t.equal(await passwords.verify('größe 8', stored), false);
  t.not(await passwords.hash('größe 7'), stored, 'salted');
  t.equal(await passwords.verify('größe 7', undefined), false);
  t.equal(await passwords.verify('größe 7', '$2b$12$something'), false, 'an unknown kind fits nothing');
  t.equal(await passwords.verify('x'.repeat(5000), stored), false);
  const random = passwords.hashRandom('drawn');
  t.equal(parseSecret(random)?.kind, 'sha256');
  t.equal(await passwords.verify('drawn', random), true);
  t.equal(await passwords.verify('drown', random), false);
});

t.test('a stored hash cannot ask for more memory than there is to give', async (t) => {
  const greedy = (await passwords.hash('x')).replace('ln=4', 'ln=31');
  await t.rejects(passwords.verify('x', greedy));
  t.equal(await passwords.verify('x', await passwords.hash('x')), true, 'and its place is free again');
});

t.test('a flood is refused, not queued for ever', async (t) => {
  const stored = await passwords.hash('x');
  const results = await Promise.allSettled(Array.from({ length: 200 }, () => passwords.verify('x', stored)));
  const refused = results.filter((result) => result.status === 'rejected');
  t.equal(refused.length, 200 - 2 - 64);
  t.match(refused[0], { reason: { code: 'IdentityUnavailable' } });
  t.equal(await passwords.verify('x', stored), true, 'afterwards all is well');
});

t.test("a hash made by Keystone's library", { skip: missingPython('passlib') }, async (t) => {
  const script =
    "import passlib.hash as h; print(h.scrypt.using(rounds=10, block_size=8, parallelism=1).hash('s3cret'))";
  const { stdout } = spawnSync(findPython('passlib') as string, ['-W', 'ignore', '-c', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.equal(await passwords.verify('s3cret', stdout.trim()), true);
  t.equal(await passwords.verify('secret', stdout.trim()), false);
});
