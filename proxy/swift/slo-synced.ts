/**
 * A static large object that comes from another cluster: its list of segments as that cluster keeps it, or in the words of
 * an upload. Nobody looks for the segments, which may come later or are nobody's business here; they were looked at where
 * the object was made.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import { type SloSegment, storeFaults } from '../object/contract.ts';
import { withoutManifest } from '../object/dynamic.ts';
import { sloSize } from '../object/slo.ts';
import { emptyBody } from './body-source.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import { checkNewName } from './names.ts';
import { readNewAttributes } from './object-headers.ts';
import { createdResponse, readBody, readExpectedMd5 } from './object-put.ts';
import type { SwiftResponse } from './response.ts';
import { INLINE_SEGMENTS_MAX, MANIFEST_BYTES_MAX, MANIFEST_SEGMENTS_MAX } from './slo-manifest.ts';
import { sloEtag } from './slo-put.ts';

const RANGE = /^(\d{1,16})-(\d{1,16})$/;

export async function putSyncedManifest(call: SwiftCall): Promise<SwiftResponse> {
  checkNewName('Object', call.object);
  const body = await readBody(call, MANIFEST_BYTES_MAX).collect(MANIFEST_BYTES_MAX);
  const expected = readExpectedMd5(call);
  if (expected !== undefined && createHash('md5').update(body).digest('hex') !== expected) {
    throw new Fault(storeFaults.badDigest, { algorithm: 'md5' });
  }
  const segments = readSegments(body);
  const attributes = readNewAttributes(call);
  const info = await call.world.store.putObject(call, call.objectRef, {
    ...attributes,
    headers: withoutManifest(attributes.headers ?? {}),
    body: emptyBody(),
    slo: { segments, sizeBytes: sloSize(segments), etag: sloEtag(segments) },
  });
  return createdResponse(info);
}

/** The list that `readSegments` takes, as Swift keeps it. */
export function writeSegments(segments: readonly SloSegment[]): Buffer {
  const list = segments.map(({ path, etag, sizeBytes, range, subSlo, data }) => {
    if (data !== undefined) return { data };
    const about = { name: path, hash: etag, bytes: sizeBytes, content_type: 'application/octet-stream' };
    return { ...about, ...(range && { range: `${range[0]}-${range[1]}` }), ...(subSlo && { sub_slo: true }) };
  });
  return Buffer.from(JSON.stringify(list), 'utf8');
}

function readSegments(body: Buffer): readonly SloSegment[] {
  const list = parse(body);
  const most = MANIFEST_SEGMENTS_MAX + INLINE_SEGMENTS_MAX;
  if (!Array.isArray(list) || list.length > most) throw refuse(swiftFaults.badRequest, 'Manifest must be a list.\n');
  return list.map((entry, index) => {
    const segment = typeof entry === 'object' && entry !== null ? readSegment(entry) : undefined;
    if (!segment) throw refuse(swiftFaults.badRequest, `Index ${index}: invalid segment`);
    return segment;
  });
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw refuse(swiftFaults.badRequest, 'Manifest must be valid JSON.\n');
  }
}

function readSegment(fields: Readonly<Record<string, unknown>>): SloSegment | undefined {
  const { data } = fields;
  if (typeof data === 'string') {
    const bytes = Buffer.from(data, 'base64');
    const etag = createHash('md5').update(bytes).digest('hex');
    return { path: '', etag, sizeBytes: bytes.length, data: bytes.toString('base64') };
  }
  const name = fields['name'] ?? fields['path'];
  const etag = fields['hash'] ?? fields['etag'];
  const size = Number(fields['bytes'] ?? fields['size_bytes']);
  if (typeof name !== 'string' || typeof etag !== 'string' || !Number.isSafeInteger(size) || size < 0) return undefined;
  const path = `/${name.replace(/^\/+/, '')}`;
  if (path.indexOf('/', 1) < 2 || path.endsWith('/') || path.includes('\0')) return undefined;
  const range = readRange(fields['range'], size);
  if (range === 'bad') return undefined;
  return { path, etag, sizeBytes: size, ...(range && { range }), ...(fields['sub_slo'] === true && { subSlo: true }) };
}

function readRange(range: unknown, sizeBytes: number): readonly [number, number] | 'bad' | undefined {
  if (range === undefined || range === null || range === '') return undefined;
  const [, first, last] = RANGE.exec(String(range)) ?? [];
  if (first === undefined || Number(first) > Number(last) || Number(last) >= sizeBytes) return 'bad';
  return [Number(first), Number(last)];
}
