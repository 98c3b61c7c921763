import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import type { Credentials } from '../contract.ts';
import { BASE_RULES, expandRoles } from './defaults.ts';
import { type Check, PolicyError, parseCheck, printCheck } from './parse.ts';
import { parsePolicyFile } from './policy-file.ts';
import { createPolicy } from './rules.ts';

const member: Credentials = { userId: 'u1', projectId: 'p1', roles: ['member', 'reader'] };
const admin: Credentials = { userId: 'u2', projectId: 'p2', roles: ['Admin'] };
const system: Credentials = { userId: 'u3', systemScope: 'all', roles: ['reader'] };

const says = (check: unknown, credentials: Credentials, target: Record<string, unknown> = {}): boolean =>
  createPolicy({ defaults: { ...BASE_RULES, 'a:b': '!' }, overrides: { 'a:b': check } }).allows(
    'a:b',
    credentials,
    target,
  );

t.test('the language', async (t) => {
  const cases: [unknown, Credentials, Record<string, unknown>, boolean][] = [
    ['', member, {}, true],
    ['@', member, {}, true],
    ['!', admin, {}, false],
    ['role:member', member, {}, true],
    ['role:MEMBER', member, {}, true],
    ['role:admin', admin, {}, true],
    ['role:admin', member, {}, false],
    ['not role:admin', member, {}, true],
    ['not not role:admin', member, {}, false],
    ['role:member and project_id:%(project_id)s', member, { project_id: 'p1' }, true],
    ['role:member and project_id:%(project_id)s', member, { project_id: 'p2' }, false],
    ['project_id:%(project_id)s', member, {}, false],
    ['project_id:%(project_id)s', { ...member, projectId: undefined }, { project_id: undefined }, false],
    ['project_id:%(project_id)s', { ...member, projectId: undefined }, { project_id: null }, false],
    ['not project_id:%(project_id)s', member, {}, true],
    ['system_scope:all', system, {}, true],
    ['system_scope:all', member, {}, false],
    ['is_admin:True', admin, {}, true],
    ['is_admin:True', member, {}, false],
    ['is_admin:False', member, {}, true],
    ['is_admin:True', { ...member, isAdmin: true }, {}, true],
    ['role:x or role:member and role:reader', member, {}, true],
    ['role:member or role:x and role:y', member, {}, true],
    ['(role:member or role:x) and role:y', member, {}, false],
    ['((role:member))and role:reader', member, {}, 'throws' as never],
    ['( role:member ) and (not (role:x))', member, {}, true],
    ['(user_id:%(target.user.id)s)', member, { target: { user: { id: 'u1' } } }, true],
    ['user_id:%(target.user.id)s', member, { 'target.user.id': 'u1' }, true],
    ['user_id:%(target.user.id)s', member, { target: 'u1' }, false],
    ["'public':%(visibility)s", member, { visibility: 'public' }, true],
    ['"public":%(visibility)s', member, { visibility: 'private' }, false],
    ['True:%(shared)s', member, { shared: true }, true],
    ['None:%(owner)s', member, { owner: null }, true],
    ['None:%(owner)s', member, {}, false],
    ['role:%(needed)s', member, { needed: 'reader' }, true],
    ['project_id:p%(digit)s', member, { digit: 1 }, true],
    ['service_roles:service', { ...member, serviceRoles: ['service'] }, {}, true],
    ['service_roles:service', member, {}, false],
    ['region:east', { ...member, extra: { region: 'east' } }, {}, true],
    ['constructor:x', member, {}, false],
    ['toString:x', member, {}, false],
    ['rule:member_or_admin', member, { project_id: 'p1' }, true],
    ['rule:member_or_admin', admin, { project_id: 'p1' }, true],
    ['rule:member_or_admin', member, { project_id: 'p9' }, false],
    ['rule:system_reader', system, {}, true],
    [[['role:member', 'role:x'], ['role:reader']], member, {}, true],
    [[['role:member', 'role:x']], member, {}, false],
    [[], member, {}, true],
  ];
  for (const [check, credentials, target, wanted] of cases) {
    if ((wanted as unknown) === 'throws')
      t.throws(() => says(check, credentials, target), PolicyError, JSON.stringify(check));
    else t.equal(says(check, credentials, target), wanted, JSON.stringify(check));
  }
});

t.test('what is wrong is refused at the start, by name', async (t) => {
  for (const check of [
    'role',
    'and',
    'role:a and',
    'role:a role:b',
    'or role:a',
    '(role:a',
    'role:a)',
    'not',
    'role:',
    ':a',
    'a:%(b',
    'http://example.org/check',
    'https:x',
    'rule:nothing',
    'rule:%(x)s',
    'rule:a:b',
    5,
    null,
    { role: 'a' },
    [[5]],
    `${'('.repeat(100)}role:a${')'.repeat(100)}`,
    `${'not '.repeat(100)}role:a`,
    'x'.repeat(20_000),
  ]) {
    t.throws(() => says(check, admin), { name: 'PolicyError', message: /^a:b: / }, JSON.stringify(check)?.slice(0, 40));
  }
  t.throws(() => createPolicy({ defaults: { a: 'rule:b', b: 'not rule:c', c: 'role:x or rule:a' } }), /circle/);
  t.throws(() => createPolicy({ defaults: {}, overrides: { 'volume:creat': '@' } }), /no service asks/);
  const policy = createPolicy({ defaults: { 'x:y': 'rule:ops' }, overrides: { ops: 'role:ops' } });
  t.equal(policy.allows('x:y', { ...member, roles: ['ops'] }, {}), true);
  t.equal(policy.allows('unknown', admin, {}), false);
  t.equal(policy.has('x:y'), true);
});

t.test('files', async (t) => {
  t.same(parsePolicyFile('"volume:create": "role:member"\nhelper: [["role:a"]]\n'), {
    'volume:create': 'role:member',
    helper: [['role:a']],
  });
  t.same(parsePolicyFile('{"a": "!"}'), { a: '!' });
  t.same(parsePolicyFile('# nothing\n'), {});
  for (const bad of ['- a', 'a: [', '5', 'a: &x [1]\nb: *x', 'a: 1\na: 2']) {
    t.throws(() => parsePolicyFile(bad), { name: 'PolicyError' }, bad);
  }
});

t.test('implied roles', async (t) => {
  t.same(expandRoles(['member']), ['member', 'reader']);
  t.same(expandRoles(['admin', 'x']), ['admin', 'manager', 'member', 'reader', 'x']);
  t.same(expandRoles(['a'], { a: ['b'], b: ['a'] }), ['a', 'b']);
});

t.test('any check printed and parsed again means the same', async (t) => {
  const seed = Number(process.env['SEED'] ?? 77);
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const atoms = ['@', '!', 'role:member', 'role:x', 'project_id:%(project_id)s', 'is_admin:True', "'a':%(b)s"];
  const make = (depth: number): string => {
    const kind = depth > 4 ? 0 : random.below(5);
    if (kind <= 1) return pick(atoms);
    if (kind === 2) return `not ${make(depth + 1)}`;
    if (kind === 3) return `(${make(depth + 1)} ${pick(['and', 'or', 'AND', 'Or'])} ${make(depth + 1)})`;
    return `( ${make(depth + 1)} )`;
  };
  for (let i = 0; i < 2000; i++) {
    const text = make(0);
    const check = parseCheck(text);
    t.same(parseCheck(printCheck(check)), check, text) || t.bailout();
    const target = { project_id: pick(['p1', 'p2']), b: pick(['a', 'c']) };
    const wanted = evaluate(text, target);
    if (says(text, member, target) !== wanted) t.fail(`${text} is ${wanted}`);
  }
});

/** The same by JavaScript's own parser. */
function evaluate(text: string, target: Record<string, string>): boolean {
  const values: Record<string, boolean> = {
    '@': true,
    '!': false,
    'role:member': true,
    'role:x': false,
    'project_id:%(project_id)s': target['project_id'] === 'p1',
    'is_admin:True': false,
    "'a':%(b)s": target['b'] === 'a',
  };
  let source = text;
  for (const [atom, value] of Object.entries(values).sort(([a], [b]) => b.length - a.length)) {
    source = source.replaceAll(atom, value ? '1' : '0');
  }
  source = source
    .replace(/\band\b/gi, '&')
    .replace(/\bor\b/gi, '|')
    .replace(/\bnot\b/gi, '1^');
  return Boolean(Function(`return (${source.replace(/1\^\s*/g, '!')})`)());
}

t.test('no text makes the parser do anything but parse or refuse', async (t) => {
  const seed = Number(process.env['SEED'] ?? 78);
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const bits = [
    '(',
    ')',
    ' ',
    'and',
    'or',
    'not',
    'role:',
    'rule:',
    '%(',
    ')s',
    'a',
    "'",
    '"',
    ':',
    '@',
    '!',
    '%',
    '\n',
    '\0',
    'é',
  ];
  let parsed = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: random.below(12) }, () => bits[random.below(bits.length)]).join('');
    let check: Check;
    try {
      check = parseCheck(text);
    } catch (error) {
      if (!(error instanceof PolicyError)) t.fail(`${JSON.stringify(text)}: ${error}`);
      continue;
    }
    parsed++;
    const printed = printCheck(check);
    if (printCheck(parseCheck(printed)) !== printed) t.fail(`${JSON.stringify(text)} is not stable`);
  }
  t.ok(parsed > 1000, `${parsed} parsed`);
});
