/**
 * SelectObjectContent: the rows of an object that a query asks for. What it takes to run one is loaded with the first
 * request of the kind. https://docs.aws.amazon.com/AmazonS3/latest/API/API_SelectObjectContent.html
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { resolveObject, type S3Call } from './call.ts';
import { isDynamic, openWhole } from './dynamic.ts';
import { pushEncryption, readCustomerKey } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { readOptionalXml } from './xml-body.ts';

/** An expression of 256 KiB, every character of it written as a reference. */
const DOCUMENT = { bytesMax: 2 * 1024 * 1024, elementsMax: 100 } as const;
const SELECT_TYPE = '2';

export async function selectObject(call: S3Call): Promise<HttpResponse> {
  const { request, query, headers, world, context } = call;
  if (query.get('select-type') !== SELECT_TYPE) {
    throw s3Fault('InvalidArgument', 'select-type must be 2', {
      ArgumentName: 'select-type',
      ArgumentValue: query.get('select-type') ?? '',
    });
  }
  if (request.headers.has('range')) throw s3Fault('UnsupportedRangeHeader');
  const root = await readOptionalXml(call, DOCUMENT);
  if (root === undefined) throw s3Fault('EmptyRequestBody');
  const select = await import('./select/run.ts');
  const prepared = select.prepare(root);
  const ref = await resolveObject(call);
  const found = await world.store.getObject(context, ref, { customerKey: readCustomerKey(call), judgesKey: true });
  const open = isDynamic(found.info) ? await openWhole(call, ref.account, found.info) : found;
  const onError = (err: unknown): void =>
    world.log.error({ err, transId: context.transId, path: request.path }, 'S3 Select failed while it was answering');
  const body = await select.start(open, prepared, { clock: world.clock, onError });
  pushEncryption(call, open.info.encryption);
  headers.push('Content-Type', 'application/vnd.amazon.eventstream');
  return { status: 200, headers, body };
}
