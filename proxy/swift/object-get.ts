/**
 * GET and HEAD of an object: whole, by range or ranges, the content of a large object or its manifest. The store settles
 * rights and conditions before anything here looks at the bytes.
 */

import { stampMs } from '../../fabric/stamp.ts';
import { parseHttpDate } from '../http-date.ts';
import { contentRange, multipartRanges, parseRange } from '../http-range.ts';
import type { Body, ObjectInfo, OpenObject } from '../object/contract.ts';
import { manifestOf } from '../object/dynamic.ts';
import type { SwiftCall } from './call.ts';
import { bareEtag, readConditions } from './conditions.ts';
import { openDynamic } from './dlo.ts';
import { refuse, swiftFaults } from './faults.ts';
import { objectHeaders } from './object-headers.ts';
import { primedBody } from './primed-body.ts';
import type { SwiftResponse } from './response.ts';
import { isShownAsLarge, validators } from './shown.ts';
import { manifestResponse } from './slo-get.ts';
import { findObject, openObject, pushLocation } from './symlink.ts';

const BOUNDARY_BYTES = 16;

export async function getObject(call: SwiftCall): Promise<SwiftResponse> {
  const { opened, ref } = await openObject(call, readConditions(call));
  const answer = await answerGet(call, ref.account, opened);
  pushLocation(answer.headers, call, { ref, info: opened.info });
  return answer;
}

async function answerGet(call: SwiftCall, account: string, object: OpenObject): Promise<SwiftResponse> {
  const { info } = object;
  if (wantsManifest(call) && isShownAsLarge(info)) return manifestResponse(call, info);
  if (isDynamic(call, info)) return respond(call, await openDynamic(call, account, info));
  return respond(call, object);
}

export async function headObject(call: SwiftCall): Promise<SwiftResponse> {
  const { opened, ref } = await findObject(call, call.objectRef, readConditions(call));
  const answer = await answerHead(call, ref.account, opened);
  pushLocation(answer.headers, call, { ref, info: opened });
  return answer;
}

async function answerHead(call: SwiftCall, account: string, found: ObjectInfo): Promise<SwiftResponse> {
  if (wantsManifest(call) && isShownAsLarge(found)) return manifestResponse(call, found);
  const info = isDynamic(call, found) ? (await openDynamic(call, account, found)).info : found;
  return { status: 200, headers: objectHeaders(info), lengthBytes: info.sizeBytes };
}

export function wantsManifest(call: SwiftCall): boolean {
  return call.http.query !== undefined && call.params.get('multipart-manifest') === 'get';
}

function isDynamic(call: SwiftCall, info: ObjectInfo): boolean {
  return info.headers['x-object-manifest'] !== undefined && manifestOf(info) !== undefined && !wantsManifest(call);
}

function respond(call: SwiftCall, object: OpenObject): SwiftResponse | Promise<SwiftResponse> {
  const { info } = object;
  const range = call.header('range');
  if (range !== undefined && isRangeMeant(call, info)) {
    const outcome = parseRange(range, info.sizeBytes);
    if (outcome === 'unsatisfiable') {
      const shown = [...validators(info), 'Accept-Ranges', 'bytes', 'Content-Range', `bytes */${info.sizeBytes}`];
      throw refuse(swiftFaults.rangeNotSatisfiable, undefined, shown);
    }
    if (outcome !== 'whole') return partial(call, object, outcome);
  }
  return send({ status: 200, headers: objectHeaders(info), isChecked: !info.slo }, object.open(0, info.sizeBytes));
}

function partial(
  call: SwiftCall,
  object: OpenObject,
  ranges: Exclude<ReturnType<typeof parseRange>, string>,
): SwiftResponse | Promise<SwiftResponse> {
  const { info } = object;
  const headers = objectHeaders(info);
  const [first] = ranges;
  if (first && ranges.length === 1) {
    headers.push('Content-Range', contentRange(first, info.sizeBytes));
    return send({ status: 206, headers, isChecked: !info.slo }, object.open(first.offset, first.length));
  }
  const boundary = call.world.random.bytes(BOUNDARY_BYTES).toString('hex');
  // The content type of the object moves into each part.
  headers[1] = `multipart/byteranges;boundary=${boundary}`;
  const { sizeBytes, contentType } = info;
  const open = (offset: number, length: number): Body => object.open(offset, length);
  const body = multipartRanges({ ranges, sizeBytes, contentType, boundary, open });
  return { status: 206, headers, body, lengthBytes: body.lengthBytes };
}

/** Small objects go out as one buffer; a large object's first segment is looked at before the status is decided. */
function send(
  head: { status: number; headers: string[]; isChecked: boolean },
  body: Body,
): SwiftResponse | Promise<SwiftResponse> {
  const { status, headers } = head;
  if (body.bytes) return { status, headers, body: body.bytes, lengthBytes: body.lengthBytes };
  if (head.isChecked) return { status, headers, body, lengthBytes: body.lengthBytes };
  return primedBody(body).then((primed) => ({ status, headers, body: primed, lengthBytes: body.lengthBytes }));
}

/** If-Range: without a match the whole representation is meant. */
function isRangeMeant(call: SwiftCall, info: ObjectInfo): boolean {
  const ifRange = call.header('if-range');
  if (ifRange === undefined) return true;
  const dateMs = parseHttpDate(ifRange);
  if (dateMs === undefined) return bareEtag(ifRange) === bareEtag(info.etag);
  return Math.ceil(stampMs(info.stamp) / 1000) * 1000 <= dateMs;
}
