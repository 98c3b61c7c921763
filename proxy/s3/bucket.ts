/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation. */
import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, xmlElement } from '../../fabric/xml.ts';
import { storeFaults, type Tags } from '../object/contract.ts';
import { checkTags } from '../object/tags.ts';
import { readNewRights, resetAcl } from './acl.ts';
import { isBucketName } from './address.ts';
import { emptyAnswer, isoTime, ownerXml, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { readNewLock } from './lock.ts';
import { readCount } from './query.ts';
import { readTagSet } from './tags.ts';
import { checkChildren, readOptionalXml } from './xml-body.ts';

const CONFIGURATION_BYTES_MAX = 64 * 1024;
const CONFIGURATION_ELEMENTS_MAX = 100;
const DEFAULT_REGION = 'us-east-1';
const BUCKETS_MAX = 10_000;
const CONFIGURATION_NAMES: ReadonlySet<string> = new Set(['LocationConstraint', 'Location', 'Bucket', 'Tags']);
/** As AWS' regions are called; `EU` is the oldest one's other name. */
const REGION_OF_AWS = /^(?:EU|[a-z]{2}(?:-[a-z]+)+-\d{1,2})$/;

export async function listBuckets(call: S3Call): Promise<HttpResponse> {
  const account = call.context.caller.account;
  if (account === undefined) throw s3Fault('AccessDenied');
  const limit = readCount(call.query, 'max-buckets', { min: 1, max: BUCKETS_MAX, absent: BUCKETS_MAX });
  const prefix = call.query.get('prefix') ?? '';
  const after = readToken(call.query.get('continuation-token'));
  const region = call.query.get('bucket-region');
  let buckets = await call.world.store.listBuckets(call.context);
  if (region !== undefined && region !== call.world.region) buckets = [];
  const wanted = buckets.filter(({ name }) => name.startsWith(prefix) && name > after);
  const page = wanted.slice(0, limit);
  let xml = '';
  for (const { name, createdStamp } of page) {
    const more = call.query.size === 0 ? '' : xmlElement('BucketRegion', call.world.region);
    xml += `<Bucket>${xmlElement('Name', name)}<CreationDate>${isoTime(createdStamp)}</CreationDate>${more}</Bucket>`;
  }
  const last = page.at(-1);
  const token = last === undefined || wanted.length <= limit ? '' : Buffer.from(last.name).toString('base64url');
  const end = `${token === '' ? '' : xmlElement('ContinuationToken', token)}${prefix === '' ? '' : xmlElement('Prefix', prefix)}`;
  return xmlAnswer(call, 'ListAllMyBucketsResult', `${ownerXml('Owner', account)}<Buckets>${xml}</Buckets>${end}`);
}

function readToken(token: string | undefined): string {
  const name = Buffer.from(token ?? '', 'base64url').toString();
  if (Buffer.from(name).toString('base64url') === (token ?? '')) return name;
  throw s3Fault('InvalidArgument', 'The continuation token provided is incorrect', {
    ArgumentName: 'continuation-token',
    ArgumentValue: token ?? '',
  });
}

export async function createBucket(call: S3Call): Promise<HttpResponse> {
  const { account } = call.context.caller;
  if (!isBucketName(call.bucket)) throw s3Fault('InvalidBucketName', '', { BucketName: call.bucket });
  const tags = await readConfiguration(call);
  if (account === undefined) throw s3Fault('AccessDenied');
  const ref = { account, container: call.bucket };
  const s3 = { ...readNewRights(call, account), ...readNewLock(call), ...tags };
  try {
    await call.world.store.createContainer(call.context, ref, { exclusive: true, s3 });
  } catch (error) {
    // As in AWS' oldest region, where making one's own bucket again is no error, and resets its ACL.
    const own = isFault(error, storeFaults.containerExists);
    if (!own || call.world.region !== DEFAULT_REGION) throw error;
    await resetAcl(call, ref);
  }
  call.headers.push('Location', `/${call.bucket}`);
  return emptyAnswer(call, 200);
}

/** Where the bucket is to be, which is here, and its tags. */
async function readConfiguration(call: S3Call): Promise<{ tags?: Tags }> {
  const root = await readOptionalXml(call, {
    bytesMax: CONFIGURATION_BYTES_MAX,
    elementsMax: CONFIGURATION_ELEMENTS_MAX,
  });
  if (root === undefined) return {};
  if (root.name !== 'CreateBucketConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, CONFIGURATION_NAMES);
  const foreign = root.children.find(({ name }) => name === 'Location' || name === 'Bucket');
  if (foreign) throw s3Fault('NotImplemented', `${foreign.name} is not implemented: there are no directory buckets.`);
  checkLocation(call, childText(root, 'LocationConstraint'));
  const tags = root.children.find(({ name }) => name === 'Tags');
  return tags === undefined || tags.children.length === 0 ? {} : { tags: checkTags(readTagSet(tags), 'bucket') };
}

function checkLocation(call: S3Call, location: string | undefined): void {
  const region = call.world.region;
  if (location === undefined || location === region) return;
  // Empty means the oldest region.
  if (location === '' && region === DEFAULT_REGION) return;
  if (location !== '' && !REGION_OF_AWS.test(location)) throw s3Fault('InvalidLocationConstraint');
  throw s3Fault(
    'IllegalLocationConstraintException',
    `The ${location || 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
  );
}

export async function headBucket(call: S3Call): Promise<HttpResponse> {
  await call.world.store.headContainer(call.context, await resolve(call));
  call.headers.push('x-amz-bucket-region', call.world.region, 'x-amz-access-point-alias', 'false');
  return emptyAnswer(call, 200);
}

export async function deleteBucket(call: S3Call): Promise<HttpResponse> {
  await call.world.store.deleteContainer(call.context, await resolve(call));
  return emptyAnswer(call, 204);
}

export async function getLocation(call: S3Call): Promise<HttpResponse> {
  await call.world.store.headContainer(call.context, await resolve(call));
  const region = call.world.region;
  return xmlAnswer(call, 'LocationConstraint', region === DEFAULT_REGION ? '' : region);
}
