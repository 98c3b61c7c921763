/**
 * Policies that AWS keeps for everybody (`arn:aws:iam::aws:policy/…`), as far as they speak of what is here: S3, IAM and
 * all of it. They can be attached like an account's own, and never change.
 * https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
 */
import { hash } from 'node:crypto';
import { arnOf, type IamPolicy, ID_LETTERS } from './contract.ts';

export const AWS_ACCOUNT = 'aws';

/** Nobody asks for its second: it is older than any account. */
const MADE_MS = Date.UTC(2015, 1, 6, 18, 40);

/** Follows from the name: 16 letters as ids have them. */
const idOf = (name: string): string =>
  `ANPA${[...hash('sha256', name, 'buffer')]
    .slice(0, 16)
    .map((byte) => ID_LETTERS[byte % 32])
    .join('')}`;

interface Said {
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
}

function policy(name: string, description: string, ...said: readonly Said[]): IamPolicy {
  const Statement = said.map((each) => ({ Effect: 'Allow', ...each, Resource: '*' }));
  const document = JSON.stringify({ Version: '2012-10-17', Statement });
  return {
    ...{ account: AWS_ACCOUNT, name, path: '/', description, createdMs: MADE_MS, updatedMs: MADE_MS },
    id: idOf(name),
    ...{ inForce: 'v1', made: 1, versions: [{ id: 'v1', document, createdMs: MADE_MS }] },
  };
}

const ALL = [
  policy('AdministratorAccess', 'Provides full access to AWS services and resources.', { Action: '*' }),
  policy('AmazonS3FullAccess', 'Provides full access to all buckets via the AWS Management Console.', {
    Action: ['s3:*', 's3-object-lambda:*'],
  }),
  policy('AmazonS3ReadOnlyAccess', 'Provides read only access to all buckets via the AWS Management Console.', {
    Action: ['s3:Get*', 's3:List*', 's3:Describe*', 's3-object-lambda:Get*', 's3-object-lambda:List*'],
  }),
  policy('IAMFullAccess', 'Provides full access to IAM via the AWS Management Console.', { Action: ['iam:*'] }),
  policy('IAMReadOnlyAccess', 'Provides read only access to IAM via the AWS Management Console.', {
    Action: [
      'iam:GenerateCredentialReport',
      'iam:GenerateServiceLastAccessedDetails',
      'iam:Get*',
      'iam:List*',
      'iam:Simulate*',
    ],
  }),
  policy(
    'PowerUserAccess',
    'Provides full access to AWS services and resources, but does not allow management of Users and groups.',
    { NotAction: ['iam:*', 'organizations:*', 'account:*'] },
    { Action: ['iam:ListRoles', 'organizations:DescribeOrganization'] },
  ),
];

/** By name. */
export const AWS_POLICIES: ReadonlyMap<string, IamPolicy> = new Map(ALL.map((each) => [each.name, each]));
/** In force, by ARN. */
export const AWS_DOCUMENTS: ReadonlyMap<string, string> = new Map(
  ALL.map((each) => [arnOf('policy', each), each.versions[0]?.document ?? '']),
);
