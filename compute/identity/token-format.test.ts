// Tokens against Debian's own Keystone, both ways and for every payload version, with one key folder for both; then what
// must not be taken for a token.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { findPython, missingPython } from '../../test/tools.ts';
import { open, parseFernetKey, seal } from './fernet-format.ts';
import { ensureKeys, loadKeys, rotateKeys } from './key-repository.ts';
import { decodePayload, encodePayload, payloadVersion, type TokenPayload } from './token-format.ts';
import { packValue } from './token-pack.ts';

const HELPER = fileURLToPath(new URL('../../../compute/identity/keystone_tokens.py', import.meta.url));
const HELPER_MS = 60_000;
const HEX = (digit: string): string => digit.repeat(32);
const AUDITS = [Buffer.alloc(16, 1).toString('base64url'), Buffer.alloc(16, 0xfe).toString('base64url')];
const EXPIRES_S = 4_102_444_800;

const START = { userId: HEX('a'), methods: ['password'], expiresAtS: EXPIRES_S, auditIds: AUDITS } as const;
const GROUPS = { groupIds: [HEX('6'), 'staff'], providerId: 'idp', protocolId: 'saml2' } as const;

const PAYLOADS: readonly TokenPayload[] = [
  START,
  { ...START, domainId: 'default' },
  { ...START, domainId: HEX('d'), methods: ['password', 'token'] },
  { ...START, projectId: HEX('b') },
  // A user of LDAP: 64 digits, which are not 16 bytes; and a project whose id is a name.
  { ...START, userId: HEX('ab'), projectId: 'shared-project', auditIds: AUDITS.slice(0, 1) },
  { ...START, projectId: HEX('b'), trustId: HEX('7') },
  { ...START, ...GROUPS, methods: ['mapped'] },
  { ...START, ...GROUPS, projectId: HEX('b') },
  { ...START, ...GROUPS, domainId: HEX('d') },
  { ...START, projectId: HEX('b'), accessTokenId: HEX('9') },
  { ...START, system: 'all' },
  { ...START, projectId: HEX('b'), appCredId: HEX('c'), methods: ['application_credential'] },
];

/** The arguments Keystone's create_token takes for a payload. */
function asKeystone(payload: TokenPayload): Record<string, unknown> {
  return {
    version: payloadVersion(payload),
    user_id: payload.userId,
    methods: payload.methods,
    expires_at: new Date(payload.expiresAtS * 1000).toISOString().replace('.000Z', '.000000Z'),
    audit_ids: payload.auditIds,
    system: payload.system ?? null,
    domain_id: payload.domainId ?? null,
    project_id: payload.projectId ?? null,
    trust_id: payload.trustId ?? null,
    federated_group_ids: payload.groupIds?.map((id) => ({ id })) ?? null,
    identity_provider_id: payload.providerId ?? null,
    protocol_id: payload.protocolId ?? null,
    access_token_id: payload.accessTokenId ?? null,
    app_cred_id: payload.appCredId ?? null,
  };
}

interface Answer {
  readonly made: readonly string[];
  readonly read: readonly Record<string, unknown>[];
  readonly versions: readonly number[];
}

function keystone(job: unknown): Answer {
  const python = findPython('keystone') as string;
  const run = spawnSync(python, [HELPER], { input: JSON.stringify(job), timeout: HELPER_MS, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as Answer;
}

t.test('Keystone reads ours and we read its, in every version', { skip: missingPython('keystone') }, async (t) => {
  const directory = `${t.testdir()}/fernet-keys`;
  const world = { disk: systemDisk, random: systemRandom };
  await ensureKeys(world, directory);
  const oldKeys = await loadKeys(systemDisk, directory);
  const oldToken = seal(
    oldKeys[0]!,
    { payload: encodePayload(START), issuedAtS: 1_700_000_000 },
    systemRandom.bytes(16),
  );
  await rotateKeys(world, directory, 4);
  const keys = await loadKeys(systemDisk, directory);
  const ours = PAYLOADS.map((payload) =>
    seal(keys[0]!, { payload: encodePayload(payload), issuedAtS: 1_700_000_000 }, Buffer.from(systemRandom.bytes(16))),
  );
  const answer = keystone({ keys: directory, make: PAYLOADS.map(asKeystone), read: [...ours, oldToken] });

  t.same(
    answer.versions,
    [...new Set(PAYLOADS.map(payloadVersion))].sort((a, b) => a - b),
    'no version of Keystone is left out',
  );
  PAYLOADS.forEach((payload, index) => {
    const { version, federated_group_ids: groups, identity_provider_id, ...wanted } = asKeystone(payload);
    const seen = answer.read[index] as Record<string, unknown>;
    // Bits of a number have no order of their own.
    seen['methods'] = [...(seen['methods'] as string[])].sort();
    t.match(seen, { ...wanted, groups, provider_id: identity_provider_id }, `Keystone reads version ${version}`);
    t.equal(seen['issued_at'], '2023-11-14T22:13:20.000000Z');
    const sealed = open(keys, answer.made[index] as string);
    t.same(sealed && decodePayload(sealed.payload), payload, `we read version ${version}`);
    t.same(sealed?.payload.toString('hex'), encodePayload(payload).toString('hex'), 'the same bytes');
  });
  t.equal(answer.read.at(-1)?.['user_id'], START.userId, 'a token from before the rotation');
});

t.test('what is not a token', async (t) => {
  const key = parseFernetKey(Buffer.alloc(32, 7).toString('base64'));
  const other = parseFernetKey(Buffer.alloc(32, 8).toString('base64'));
  const iv = Buffer.alloc(16, 9);
  const token = seal(key, { payload: encodePayload(START), issuedAtS: 1 }, iv);
  t.ok(open([other, key], token));
  t.equal(open([other], token), undefined, 'another key');
  const bytes = Buffer.from(token, 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 1;
    t.equal(open([key], damaged.toString('base64url')), undefined, `bit flipped in byte ${at}`);
  }
  for (let length = 0; length < token.length - 1; length += 7) t.equal(open([key], token.slice(0, length)), undefined);
  t.equal(open([key], 'a'.repeat(20_000)), undefined);
  const refused = [[99, 1], [], [0], [2, [true, 'x'], 1, 'p', { float: 1.5 }, []], 'text', [0, 7, 1, { float: 1 }, []]];
  for (const value of refused) t.throws(() => decodePayload(packValue(value)), { code: 'IdentityBadToken' });
  t.throws(() => decodePayload(Buffer.of(0xc1)), { code: 'IdentityBadToken' });
});

t.test('rotation keeps what is read and ends where Keystone does', async (t) => {
  const directory = `${t.testdir()}/fernet-keys`;
  const world = { disk: systemDisk, random: systemRandom };
  await ensureKeys(world, directory);
  t.same(await systemDisk.list(directory), ['0', '1']);
  const staged = (await systemDisk.readFile(`${directory}/0`)).toString();
  t.same(await rotateKeys(world, directory), { primary: 2, purged: [], active: [0, 1, 2] });
  t.equal((await systemDisk.readFile(`${directory}/2`)).toString(), staged, 'the staged key is the primary now');
  t.not((await systemDisk.readFile(`${directory}/0`)).toString(), staged);
  t.same(await rotateKeys(world, directory), { primary: 3, purged: [1], active: [0, 2, 3] });
  // A crash between promoting the staged key and staging a new one.
  await systemDisk.replaceFile(`${directory}/4`, await systemDisk.readFile(`${directory}/0`));
  t.same(await rotateKeys(world, directory), { primary: 4, purged: [2], active: [0, 3, 4] });
  t.same(await rotateKeys(world, directory, 2), { primary: 5, purged: [3, 4], active: [0, 5] });
  t.equal((await loadKeys(systemDisk, directory)).length, 2);
  await t.rejects(rotateKeys(world, directory, 1), { code: 'IdentityBadKey' });
});
