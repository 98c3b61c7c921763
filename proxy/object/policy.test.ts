import process from 'node:process';
import t from 'tap';
import { Fault } from '../../fabric/errors.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { ANONYMOUS, type Caller } from './contract.ts';
import { askPolicy, type Policy, readPolicy } from './policy.ts';

const owner: Caller = { account: 'AUTH_test', user: 'test:tester', groups: [], admin: true };
const member: Caller = { account: 'AUTH_test', user: 'test:member', groups: [], admin: false };
const alt: Caller = { account: 'AUTH_alt', user: 'alt:alice', groups: [], admin: true };
const CALLERS = { owner, member, alt, nobody: ANONYMOUS };

const FINE = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' };

function documentOf(statement: object, version = '2012-10-17'): string {
  return JSON.stringify({ Version: version, Statement: [{ ...FINE, ...statement }] });
}

interface Asked {
  readonly who?: keyof typeof CALLERS;
  readonly action?: string;
  readonly key?: string | undefined;
  readonly facts?: Readonly<Record<string, string | readonly string[]>>;
}

function ask(policy: Policy, { who = 'nobody', action = 's3:GetObject', facts = {}, ...rest }: Asked = {}) {
  const key = 'key' in rest ? rest.key : 'k';
  const find = (name: string): readonly string[] | undefined => {
    const value = facts[name];
    return typeof value === 'string' ? [value] : value;
  };
  return askPolicy(policy, { caller: CALLERS[who], action, bucket: 'b', key, facts: find });
}

/** Statement, request, whether it is allowed. */
const TABLE: readonly (readonly [statement: object, asked: Asked, allowed: boolean])[] = [
  [{}, {}, true],
  [{}, { action: 's3:PutObject' }, false],
  [{}, { key: undefined }, false],
  [{ Action: 'S3:getobject' }, {}, true],
  [{ Action: 's3:Get*' }, { action: 's3:GetObjectAcl' }, true],
  [{ Action: ['s3:PutObject', 's3:G?tObject'] }, {}, true],
  [{ Action: '*' }, { action: 's3:DeleteObject' }, true],
  [{ Action: undefined, NotAction: 's3:GetObject' }, {}, false],
  [{ Action: undefined, NotAction: 's3:GetObject' }, { action: 's3:PutObject' }, true],
  [{ Resource: 'arn:aws:s3:::b' }, { action: 's3:GetObject', key: undefined }, true],
  [{ Resource: 'arn:aws:s3:::b' }, {}, false],
  [{ Resource: 'arn:aws:s3:::*' }, {}, true],
  [{ Resource: 'arn:aws:s3:::b/a?c/*' }, { key: 'abc/d/e' }, true],
  [{ Resource: 'arn:aws:s3:::b/a?c/*' }, { key: 'ac/d' }, false],
  [{ Resource: undefined, NotResource: 'arn:aws:s3:::b/secret/*' }, { key: 'open' }, true],
  [{ Resource: undefined, NotResource: 'arn:aws:s3:::b/secret/*' }, { key: 'secret/x' }, false],
  [{ Resource: `arn:aws:s3:::b/\${aws:username}/*` }, { key: 'bob/x', facts: { 'aws:username': 'bob' } }, true],
  [{ Resource: `arn:aws:s3:::b/\${aws:username}/*` }, { key: 'eve/x', facts: { 'aws:username': 'bob' } }, false],
  [{ Resource: `arn:aws:s3:::b/\${aws:username}/*` }, { key: '/x' }, false],
  [{ Resource: `arn:aws:s3:::b/\${aws:username}/*` }, { key: 'eve/x', facts: { 'aws:username': '*' } }, false],
  [{ Resource: `arn:aws:s3:::b/\${aws:username, 'any'}/*` }, { key: 'any/x' }, true],
  [{ Resource: `arn:aws:s3:::b/a\${*}b` }, { key: 'a*b' }, true],
  [{ Resource: `arn:aws:s3:::b/a\${*}b` }, { key: 'axb' }, false],
  [{ Principal: { AWS: '*' } }, {}, true],
  [{ Principal: { AWS: 'alt' } }, { who: 'alt' }, true],
  [{ Principal: { AWS: 'AUTH_alt' } }, { who: 'member' }, false],
  [{ Principal: { AWS: 'arn:aws:iam::alt:root' } }, { who: 'alt' }, true],
  [{ Principal: { AWS: 'arn:aws:iam::test:user/member' } }, { who: 'member' }, true],
  [{ Principal: { AWS: 'arn:aws:iam::test:user/path/member' } }, { who: 'member' }, true],
  [{ Principal: { AWS: 'arn:aws:iam::test:user/member' } }, { who: 'owner' }, false],
  [{ Principal: { AWS: 'arn:aws:iam:::user/alt' } }, { who: 'alt' }, true],
  [{ Principal: { CanonicalUser: ['x', 'test:member'] } }, { who: 'member' }, true],
  [{ Principal: { AWS: ['alt', 'test'] } }, { who: 'nobody' }, false],
  [{ Condition: { StringEquals: { 's3:prefix': ['a', 'b'] } } }, { facts: { 's3:prefix': 'b' } }, true],
  [{ Condition: { StringEquals: { 's3:prefix': 'a*' } } }, { facts: { 's3:prefix': 'ab' } }, false],
  [{ Condition: { StringEquals: { 'S3:Prefix': 'a' } } }, { facts: { 's3:prefix': 'A' } }, false],
  [{ Condition: { StringEqualsIgnoreCase: { 's3:prefix': 'a' } } }, { facts: { 's3:prefix': 'A' } }, true],
  [{ Condition: { StringNotEquals: { 's3:prefix': ['a', 'b'] } } }, { facts: { 's3:prefix': 'b' } }, false],
  [{ Condition: { StringNotEquals: { 's3:prefix': 'a' } } }, {}, true],
  [{ Condition: { StringEquals: { 's3:prefix': 'a' } } }, {}, false],
  [{ Condition: { StringEqualsIfExists: { 's3:prefix': 'a' } } }, {}, true],
  [
    { Condition: { StringLike: { 'aws:Referer': 'https://*.example.com/*' } } },
    { facts: { 'aws:referer': 'https://w.example.com/' } },
    true,
  ],
  [{ Condition: { StringNotLike: { 'aws:UserAgent': 'curl*' } } }, { facts: { 'aws:useragent': 'curl/8' } }, false],
  [{ Condition: { NumericLessThanEquals: { 's3:max-keys': 10 } } }, { facts: { 's3:max-keys': '10' } }, true],
  [{ Condition: { NumericLessThan: { 's3:max-keys': '10' } } }, { facts: { 's3:max-keys': '10' } }, false],
  [{ Condition: { NumericGreaterThan: { 's3:max-keys': '9' } } }, { facts: { 's3:max-keys': 'x' } }, false],
  [
    { Condition: { DateLessThan: { 'aws:CurrentTime': '2030-01-01T00:00:00Z' } } },
    { facts: { 'aws:currenttime': '2029-12-31T23:59:59Z' } },
    true,
  ],
  [
    { Condition: { DateGreaterThan: { 'aws:EpochTime': '1893456000' } } },
    { facts: { 'aws:epochtime': '1893455999' } },
    false,
  ],
  [{ Condition: { Bool: { 'aws:SecureTransport': false } } }, { facts: { 'aws:securetransport': 'false' } }, true],
  [
    { Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.168.1.7'] } } },
    { facts: { 'aws:sourceip': '10.9.8.7' } },
    true,
  ],
  [{ Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, { facts: { 'aws:sourceip': '10.9.8.7' } }, false],
  [
    { Condition: { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } } },
    { facts: { 'aws:sourceip': '2001:db8::1' } },
    true,
  ],
  [
    { Condition: { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/b*' } } },
    { facts: { 'aws:principalarn': 'arn:aws:iam::test:user/bob' } },
    true,
  ],
  [
    { Condition: { ArnNotEquals: { 'aws:PrincipalArn': 'arn:aws:iam::test:user/bob' } } },
    { facts: { 'aws:principalarn': 'arn:aws:iam::test:user/bob' } },
    false,
  ],
  [{ Condition: { Null: { 's3:x-amz-acl': true } } }, {}, true],
  [{ Condition: { Null: { 's3:x-amz-acl': 'false' } } }, {}, false],
  [
    { Condition: { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b'] } } },
    { facts: { 's3:requestobjecttagkeys': ['a', 'b'] } },
    true,
  ],
  [
    { Condition: { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b'] } } },
    { facts: { 's3:requestobjecttagkeys': ['a', 'c'] } },
    false,
  ],
  [{ Condition: { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } } }, {}, true],
  [
    { Condition: { 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b'] } } },
    { facts: { 's3:requestobjecttagkeys': ['c', 'b'] } },
    true,
  ],
  [{ Condition: { 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': 'a' } } }, {}, false],
  [
    { Condition: { StringEquals: { 's3:ExistingObjectTag/Team': 'x' } } },
    { facts: { 's3:existingobjecttag/Team': 'x' } },
    true,
  ],
  [
    { Condition: { StringEquals: { 's3:prefix': 'a' }, Bool: { 'aws:SecureTransport': true } } },
    { facts: { 's3:prefix': 'a', 'aws:securetransport': 'false' } },
    false,
  ],
];

t.test('what a statement allows', async (t) => {
  for (const [statement, asked, allowed] of TABLE) {
    const policy = readPolicy(documentOf(statement), 'b');
    t.equal(ask(policy, asked), allowed ? 'allow' : undefined, JSON.stringify([statement, asked]));
  }
});

t.test('an explicit Deny wins, wherever it stands', async (t) => {
  for (const order of [0, 1]) {
    const statements = [FINE, { ...FINE, Effect: 'Deny', Principal: { AWS: 'alt' } }];
    if (order === 1) statements.reverse();
    const policy = readPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'b');
    t.equal(ask(policy, { who: 'alt' }), 'deny');
    t.equal(ask(policy, { who: 'member' }), 'allow');
  }
  const others = { Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: ['test', 'alt:alice'] } };
  const policy = readPolicy(documentOf(others), 'b');
  t.equal(ask(policy, { who: 'nobody' }), 'deny');
  t.equal(ask(policy, { who: 'member' }), undefined);
  t.equal(ask(policy, { who: 'alt' }), undefined);
});

t.test('variables are text in the older version of the language', async (t) => {
  const policy = readPolicy(documentOf({ Resource: `arn:aws:s3:::b/\${aws:username}` }, '2008-10-17'), 'b');
  t.equal(ask(policy, { key: 'bob', facts: { 'aws:username': 'bob' } }), undefined);
  t.equal(ask(policy, { key: `\${aws:username}` }), 'allow');
});

t.test('what is public', async (t) => {
  const narrow = (Condition: object): object => ({ Condition });
  for (const [statement, isPublic] of [
    [{}, true],
    [{ Principal: { AWS: 'alt' } }, false],
    [{ Effect: 'Deny' }, false],
    [narrow({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }), false],
    [narrow({ IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } }), true],
    [narrow({ StringEquals: { 'aws:userid': 'test:bob' } }), false],
    [narrow({ StringLike: { 'aws:userid': '*' } }), true],
    [narrow({ StringEqualsIfExists: { 'aws:userid': 'test:bob' } }), true],
    [narrow({ StringNotEquals: { 'aws:userid': 'test:bob' } }), true],
    [narrow({ StringEquals: { 's3:prefix': 'a' } }), true],
  ] as const) {
    t.equal(readPolicy(documentOf(statement), 'b').isPublic, isPublic, JSON.stringify(statement));
  }
});

const REFUSED: readonly (readonly [text: string, message: RegExp])[] = [
  ['', /first byte/],
  [' {}', /first byte/],
  ['{"Version":"2012-10-17","Statement":', /valid JSON/],
  ['{"Version":"2012-10-17","Statement":[]}', /empty/],
  ['{"Version":"2012-10-17"}', /Missing required field Statement/],
  ['{"Statement":[1]}', /Invalid policy syntax/],
  [`{"Statement":${'['.repeat(5000)}${']'.repeat(5000)}}`, /Invalid policy syntax/],
  [documentOf({}, '2013'), /version string/],
  [documentOf({ Effect: 'allow' }), /Invalid effect/],
  [documentOf({ Effect: undefined }), /Missing required field Effect/],
  [documentOf({ Principal: undefined }), /Missing required field Principal/],
  [documentOf({ Action: undefined }), /Missing required field Action/],
  [documentOf({ Resource: undefined }), /Missing required field Resource/],
  [documentOf({ NotAction: 's3:*' }), /both Action and NotAction/],
  [documentOf({ Principal: undefined, NotPrincipal: '*' }), /NotPrincipal/],
  [documentOf({ Sudo: true }), /Unknown field Sudo/],
  [documentOf({ Action: 's3:Fly' }), /invalid action/],
  [documentOf({ Action: 'ec2:*' }), /invalid action/],
  [documentOf({ Action: [] }), /invalid action/],
  [documentOf({ Resource: '*' }), /invalid resource/],
  [documentOf({ Resource: 'arn:aws:s3:::c/*' }), /invalid resource/],
  [documentOf({ Resource: `arn:aws:s3:::b/\${` }), /invalid resource/],
  [documentOf({ Principal: 'alt' }), /Invalid principal/],
  [documentOf({ Principal: { Service: 's3.amazonaws.com' } }), /Invalid principal/],
  [documentOf({ Principal: { AWS: 'arn:aws:iam::a*:root' } }), /Invalid principal/],
  [documentOf({ Condition: [] }), /condition block/],
  [documentOf({ Condition: { Equals: { 's3:prefix': 'a' } } }), /Condition type : Equals/],
  [documentOf({ Condition: { NullIfExists: { 's3:prefix': 'true' } } }), /Condition type/],
  [documentOf({ Condition: { StringEquals: { 'aws:Fun': 'a' } } }), /condition key/],
  [documentOf({ Condition: { StringEquals: { 's3:ExistingObjectTag/': 'a' } } }), /condition key/],
  [documentOf({ Condition: { StringEquals: { 's3:prefix': {} } } }), /condition value/],
  [documentOf({ Condition: { StringEquals: { 's3:prefix': [] } } }), /condition value/],
  [documentOf({ Condition: { NumericEquals: { 's3:max-keys': 'ten' } } }), /condition value/],
  [documentOf({ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } }), /condition value/],
  [documentOf({ Condition: { Bool: { 'aws:SecureTransport': 'yes' } } }), /condition value/],
  [documentOf({ Condition: { DateEquals: { 'aws:CurrentTime': 'soon' } } }), /condition value/],
  [documentOf({ Condition: { StringEquals: { 's3:prefix': `\${aws:Fun}` } } }), /condition value/],
  [documentOf({ Sid: 'x'.repeat(20 * 1024) }), /maximum allowed document size/],
];

t.test('what is refused, and why', async (t) => {
  for (const [text, message] of REFUSED) {
    t.throws(() => readPolicy(text, 'b'), { code: 'MalformedPolicy', message }, text.slice(0, 200));
  }
});

t.test('patterns of stars take no more than pattern times text', async (t) => {
  const policy = readPolicy(documentOf({ Resource: `arn:aws:s3:::b/${'*a'.repeat(5000)}b` }), 'b');
  t.equal(ask(policy, { key: 'a'.repeat(1024) }), undefined);
});

const FUZZ_ROUNDS = 4000;
const PIECES = [
  '"*"',
  '"AWS"',
  '"s3:GetObject"',
  '"s3:*"',
  '"arn:aws:s3:::b/*"',
  '"Allow"',
  '"Deny"',
  '"Effect"',
  '"Principal"',
  '"Condition"',
  '"StringLike"',
  '"__proto__"',
  '"constructor"',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  'null',
  '1e999',
  'true',
  `"\${aws:username}"`,
  `"\${"`,
  '"ForAllValues:"',
  '"IfExists"',
  '"\\ud800"',
  '"arn:aws:iam::x:root"',
];

t.test('fuzz: anything is read or refused, never more', async (t) => {
  const seed = Number(process.env['SEED'] ?? 20_261_121);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  const below = (limit: number): number => random.bytes(4).readUInt32BE() % limit;
  let accepted = 0;
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const [statement] = TABLE[below(TABLE.length)]!;
    let text = documentOf(statement);
    for (let cuts = below(3); cuts >= 0; cuts--) {
      const at = below(text.length);
      const piece = round % 4 === 0 ? '' : PIECES[below(PIECES.length)]!;
      text = text.slice(0, at) + piece + text.slice(at + below(1 + piece.length * 2));
    }
    try {
      const policy = readPolicy(text, 'b');
      accepted++;
      for (const who of ['owner', 'nobody'] as const) {
        const said = ask(policy, { who, facts: { 's3:prefix': 'a' } });
        if (said !== undefined && said !== 'allow' && said !== 'deny') t.fail(text);
      }
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'MalformedPolicy') t.fail(`${String(error)}: ${text}`);
    }
  }
  t.ok(accepted > 0, `${accepted} of ${FUZZ_ROUNDS} were policies`);
});
