/** A request's JSON body: bounded, decoded, refused in the words of each service. Which schema it must fit is not known here. */
import { Fault } from '../../fabric/errors.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { apiFaults, type FaultStyle } from './faults.ts';

/** As Keystone's `max_request_body_size` and Cinder's `osapi_max_request_body_size`. */
export const BODY_BYTES_MAX = 114_688;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

const ERROR_OF_CLIENT =
  'The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.';
const MALFORMED: Readonly<Record<FaultStyle, string>> = {
  keystone: `Expecting to find valid JSON in request body. ${ERROR_OF_CLIENT}`,
  cinder: 'Malformed request body',
  nova: 'Malformed request body',
  neutron: 'Unable to parse the body as JSON.',
  glance: 'Malformed JSON in request body.',
};

/** Undefined for an empty body. Fault BadRequest, BadMediaType, BodyTooLarge. */
export async function readJson(request: HttpRequest, style: FaultStyle, bytesMax: number): Promise<unknown> {
  const bytes = await request.body.collect(bytesMax);
  if (bytes.length === 0) return undefined;
  const type = request.headers.get('content-type') ?? '';
  if (type !== '' && !JSON_TYPE.test(type)) {
    if (style === 'nova' || style === 'glance') throw new Fault(apiFaults.badMediaType);
    if (style === 'cinder') throw new Fault(apiFaults.badMediaType, {}, 'Unsupported Content-Type');
    const message =
      style === 'keystone'
        ? `Expecting to find application/json in Content-Type header. ${ERROR_OF_CLIENT}`
        : 'Unsupported Content-Type';
    throw new Fault(apiFaults.badRequest, {}, message);
  }
  const value = parse(bytes);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (value === undefined || (style === 'keystone' && !isObject))
    throw new Fault(apiFaults.badRequest, {}, MALFORMED[style]);
  return value;
}

/** Undefined for what is no JSON in UTF-8. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });
