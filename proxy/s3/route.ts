/** Which operation a request is for. Decides by method, by what the path names and by sub-resource; calls nothing. */
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './acl.ts';
import { createBucket, deleteBucket, getLocation, headBucket, listBuckets } from './bucket.ts';
import type { Operation, S3Call } from './call.ts';
import { copyObject } from './copy-object.ts';
import { deleteObject, deleteObjects } from './delete-object.ts';
import { s3Fault } from './errors.ts';
import { getObject } from './get-object.ts';
import { listObjects, listVersions } from './list-objects.ts';
import { listParts, listUploads } from './list-uploads.ts';
import { abortUpload, completeUpload, createUpload } from './multipart.ts';
import { putObject } from './put-object.ts';
import { getBucketSubResource, getObjectSubResource, notImplementedResource, SUB_RESOURCES } from './sub-resources.ts';
import { uploadPart } from './upload-part.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']);

export function route(call: S3Call): Operation {
  const { method } = call.request;
  if (!METHODS.has(method)) throw methodNotAllowed(method);
  if (method === 'OPTIONS') throw s3Fault('AccessForbidden', '', { Method: method, ResourceType: 'BUCKET' });
  if (call.bucket === '') return routeService(method);
  return call.key === '' ? routeBucket(call, method) : routeObject(call, method);
}

function routeService(method: string): Operation {
  if (method === 'GET' || method === 'HEAD') return listBuckets;
  throw methodNotAllowed(method);
}

function routeBucket(call: S3Call, method: string): Operation {
  const { query } = call;
  if (query.has('uploads') && method === 'GET') return listUploads;
  if (query.has('versions') && method === 'GET') return listVersions;
  if (query.has('location') && method === 'GET') return getLocation;
  if (query.has('delete') && method === 'POST') return deleteObjects;
  if (query.has('acl')) {
    if (method === 'GET') return getBucketAcl;
    if (method === 'PUT') return putBucketAcl;
    throw methodNotAllowed(method);
  }
  const sub = subResource(call);
  if (sub !== undefined) {
    if (method === 'GET') return (each) => getBucketSubResource(each, sub);
    throw notImplementedResource(sub);
  }
  if (method === 'GET') return listObjects;
  if (method === 'HEAD') return headBucket;
  if (method === 'PUT') return createBucket;
  if (method === 'DELETE') return deleteBucket;
  // The browser's form upload.
  throw notImplementedResource('POST Object');
}

function routeObject(call: S3Call, method: string): Operation {
  if (call.query.size > 0) {
    const operation = routeObjectQuery(call, method);
    if (operation !== undefined) return operation;
  }
  if (method === 'GET' || method === 'HEAD') return getObject;
  if (method === 'PUT') return call.request.headers.has('x-amz-copy-source') ? copyObject : putObject;
  if (method === 'DELETE') return deleteObject;
  throw methodNotAllowed(method);
}

function routeObjectQuery(call: S3Call, method: string): Operation | undefined {
  const { query } = call;
  if (query.has('uploadId')) {
    if (method === 'PUT') return uploadPart;
    if (method === 'GET') return listParts;
    if (method === 'POST') return completeUpload;
    if (method === 'DELETE') return abortUpload;
    throw methodNotAllowed(method);
  }
  if (query.has('uploads')) {
    if (method === 'POST') return createUpload;
    throw methodNotAllowed(method);
  }
  if (query.has('acl')) {
    if (method === 'GET') return getObjectAcl;
    if (method === 'PUT') return putObjectAcl;
    throw methodNotAllowed(method);
  }
  const sub = subResource(call);
  if (sub === undefined) return undefined;
  if (method === 'GET') return (each) => getObjectSubResource(each, sub);
  throw notImplementedResource(sub);
}

/** The first sub-resource that the query names. */
function subResource(call: S3Call): string | undefined {
  if (call.query.size === 0) return undefined;
  for (const name of call.query.keys()) {
    if (SUB_RESOURCES.has(name)) return name;
  }
  return undefined;
}

function methodNotAllowed(method: string): Error {
  return s3Fault('MethodNotAllowed', '', { Method: method, ResourceType: 'OBJECT' });
}
