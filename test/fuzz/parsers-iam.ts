/** What comes with temporary keys and users: tokens, policies without principals, and the forms of the query API. */
import assert from 'node:assert';
import { decodeSession, encodeSession } from '../../proxy/auth/session-format.ts';
import { QUERY_CODES } from '../../proxy/iam/errors.ts';
import { mayAssume } from '../../proxy/object/authorise.ts';
import { ANONYMOUS } from '../../proxy/object/contract.ts';
import { callerPolicies } from '../../proxy/object/identity-policy.ts';
import { readTrustPolicy } from '../../proxy/object/policy.ts';
import { createS3Handler } from '../../proxy/s3/handler.ts';
import { createMemoryWorld, OWNER } from '../memory-world.ts';
import { bodyOf, makeRequest, sha256Hex, signHeaders } from '../s3-signer.ts';
import type { FuzzParser } from './contract.ts';

const SECRET = Buffer.alloc(32, 3);
const POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:*', 'iam:Get*'], Resource: ['*', 'arn:aws:s3:::b/${aws:username}/*'] }],
});

const tokens: FuzzParser = {
  name: 'session-token',
  open: () => ({
    name: 'session-token',
    seeds: ['', POLICY, undefined].map((policy = '', at) => {
      const texts = { parent: 'AKIA', name: 'me', role: 'r', policy, roleId: at === 2 ? 'AROA' : undefined };
      return encodeSession(SECRET, { ...texts, expiresMs: 1e12, nonce: Buffer.alloc(8), parentSecret: 's' });
    }),
    codes: new Set<string>(),
    run(input) {
      const token = input.toString('latin1');
      const claim = decodeSession(SECRET, token);
      if (claim === undefined) return 'none';
      if (!claim.isSignedWith('s')) return 'forged';
      const again = decodeSession(SECRET, token);
      assert.equal(again?.secretAccessKey, claim.secretAccessKey, 'one token, one secret');
      return 'value';
    },
  }),
};

const policies: FuzzParser = {
  name: 'caller-policy',
  open: () => ({
    name: 'caller-policy',
    seeds: [POLICY, POLICY.replace('"Resource"', '"NotResource"'), POLICY.replace('Allow', 'Deny')],
    words: ['"Effect"', '"Condition":{', '"StringLike"', 's3:', 'arn:aws:s3:::', '${', '*', '"Principal":"*"'],
    codes: new Set(['MalformedPolicy']),
    run(input) {
      const read = callerPolicies([input.toString('utf8')]);
      return read.ask({ action: 's3:GetObject', bucket: 'b', key: 'k', facts: () => undefined }) ?? 'nothing';
    },
  }),
};

const trusts: FuzzParser = {
  name: 'trust-policy',
  open: () => ({
    name: 'trust-policy',
    seeds: ['arn:aws:iam::test:root', 'arn:aws:iam::test:role/x/r', 'arn:aws:sts::test:assumed-role/r/me'].map(
      (AWS) =>
        `{"Statement":{"Effect":"Allow","Principal":{"AWS":"${AWS}","Service":"x"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"sts:ExternalId":"a*"}}}}`,
    ),
    words: ['"Principal":', '"Federated"', '"NotPrincipal"', '"Resource"', 'sts:', 'arn:aws:iam::', '*', '/'],
    codes: new Set(['MalformedPolicy']),
    run(input) {
      const trust = readTrustPolicy(input.toString('utf8'));
      const caller = {
        ...ANONYMOUS,
        account: 'AUTH_test',
        user: 'test:assumed-role/r/me',
        own: { ask: () => undefined },
      };
      const facts = (): undefined => undefined;
      const asked = { caller: { ...caller, own: { ...caller.own, asksForTags: false } }, facts };
      return String(mayAssume(asked, { trust, account: 'test', arn: 'arn:aws:iam::test:role/r' }));
    },
  }),
};

const forms: FuzzParser = {
  name: 'query-form',
  open() {
    const errors: object[] = [];
    const world = createMemoryWorld(errors);
    const handler = createS3Handler(world);
    const credentials = { ...OWNER, region: world.region };
    return {
      name: 'query-form',
      seeds: [
        'Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3Atest%3Arole%2Fr&RoleSessionName=me',
        'Action=GetSessionToken&DurationSeconds=900',
        'Action=GetCallerIdentity&Version=2011-06-15',
        'Action=ListUsers&MaxItems=1',
        'Action=TagUser&UserName=x&Tags.member.1.Key=a&Tags.member.1.Value=b',
        'Action=CreatePolicy&PolicyName=x&PolicyDocument=%7B%7D&Path=%2Fa%2F',
      ],
      words: [
        'Action=',
        '&Policy=%7B',
        '&UserName=',
        '%00',
        '&DurationSeconds=',
        'AssumeRole',
        'GetUser',
        '.member.1',
        'Role',
      ],
      codes: new Set(Object.keys(QUERY_CODES)),
      async run(input) {
        const timestamp = new Date(world.clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, '');
        const headers = { host: 'localhost', 'content-type': 'application/x-www-form-urlencoded' };
        const payload = sha256Hex(input);
        const signed = signHeaders(credentials, { method: 'POST', path: '/', headers, payload, timestamp });
        const answer = await handler(
          makeRequest({ method: 'POST', path: '/', headers: signed, body: bodyOf([input]) }),
        );
        assert.deepEqual(errors, [], 'nothing unexpected');
        assert.notEqual(answer.status, 500);
        return String(answer.status);
      },
    };
  },
};

export const IAM_PARSERS: readonly FuzzParser[] = [tokens, policies, trusts, forms];
