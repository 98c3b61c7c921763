/**
 * Who signed the policy of a form that a browser posts: Signature Version 4 (x-amz- fields) or 2 (AWSAccessKeyId). What is
 * signed is the policy as it came, in Base64. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
 */
import { createHmac } from 'node:crypto';
import type { User, Users } from '../contract.ts';
import { learnKey } from './learn-key.ts';
import { isSignedWith } from './sigv2.ts';
import { userOfKeys } from './sigv4.ts';
import { ALGORITHM, isLowerHex64 } from './sigv4-claim.ts';
import { refusal, sigv4Faults } from './sigv4-faults.ts';
import { deriveKey, sameSignature } from './sigv4-keys.ts';
import { parseAmzDate } from './sigv4-time.ts';

/** By lower-case name. */
export type FormFields = ReadonlyMap<string, string>;

const OF_FOUR = ['x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'] as const;
const OF_TWO = ['AWSAccessKeyId', 'signature'] as const;

/** Undefined for a form without policy and signature. Faults InvalidArgument, InvalidAccessKeyId, SignatureDoesNotMatch. */
export async function signerOf(
  world: { readonly users: Users; readonly region: string },
  fields: FormFields,
): Promise<User | undefined> {
  try {
    return checkSigner(world, fields);
  } catch (error) {
    await learnKey(world, error);
    return checkSigner(world, fields);
  }
}

function checkSigner(
  { users, region }: { readonly users: Users; readonly region: string },
  fields: FormFields,
): User | undefined {
  const isFour = fields.has('x-amz-signature') || fields.has('x-amz-credential');
  const isTwo = fields.has('signature') || fields.has('awsaccesskeyid');
  const policy = fields.get('policy');
  if (policy === undefined && !isFour && !isTwo) return undefined;
  if (policy === undefined) throw missing('policy');
  if (isFour && isTwo) throw refusal(sigv4Faults.invalidArgument, 'Only one auth mechanism allowed');
  return isFour ? signerByFour(users, region, fields, policy) : signerByTwo(users, fields, policy);
}

function missing(name: string): Error {
  const message = `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`;
  return refusal(sigv4Faults.invalidArgument, message, { ArgumentName: name, ArgumentValue: '' });
}

function signerByTwo(users: Users, fields: FormFields, policy: string): User {
  for (const name of OF_TWO) if (!fields.get(name.toLowerCase())) throw missing(name);
  const user = userOfKeys(users, fields.get('awsaccesskeyid') ?? '', fields.get('x-amz-security-token'));
  const signature = fields.get('signature') ?? '';
  if (isSignedWith(user.secretAccessKey, Buffer.from(policy, 'utf8').toString('latin1'), signature)) return user;
  throw mismatch(policy, signature);
}

function signerByFour(users: Users, region: string, fields: FormFields, policy: string): User {
  for (const name of OF_FOUR) if (!fields.get(name)) throw missing(name);
  const [algorithm, credential, date, signature] = OF_FOUR.map((name) => fields.get(name)) as [
    string,
    string,
    string,
    string,
  ];
  if (algorithm !== ALGORITHM) throw bad('x-amz-algorithm', algorithm);
  const match = /^(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request$/.exec(credential);
  if (!match) throw bad('x-amz-credential', credential);
  const [, accessKeyId = '', day = '', named = ''] = match;
  if (parseAmzDate(date) === undefined || !date.startsWith(day)) throw bad('x-amz-date', date);
  const user = userOfKeys(users, accessKeyId, fields.get('x-amz-security-token'));
  if (named !== region) {
    const message = `Error parsing the X-Amz-Credential parameter; the region '${named}' is wrong; expecting '${region}'`;
    throw refusal(sigv4Faults.queryMalformed, message, { Region: region });
  }
  const key = deriveKey(user.secretAccessKey, `${day}/${region}/s3/aws4_request`);
  const wanted = createHmac('sha256', key).update(policy, 'utf8').digest('hex');
  if (isLowerHex64(signature) && sameSignature(wanted, signature)) return user;
  throw mismatch(policy, signature);
}

function bad(name: string, value: string): Error {
  return refusal(sigv4Faults.invalidArgument, `Invalid value for the field ${name}`, {
    ArgumentName: name,
    ArgumentValue: value,
  });
}

function mismatch(policy: string, signature: string): Error {
  return refusal(sigv4Faults.signatureDoesNotMatch, undefined, {
    StringToSign: policy,
    SignatureProvided: signature,
  });
}
