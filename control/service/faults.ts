/**
 * Faults every service may throw, their statuses, and the bodies that clients of each OpenStack service expect. A service adds
 * its own codes with `faults` of `createService`; what no table names is a 500 without details.
 */
import { fabricFaults } from '../../fabric/errors.ts';
import { storeFaults } from '../contract.ts';

/** `throw new Fault(apiFaults.notFound, {}, 'Volume x could not be found.')`: the message goes to the client. */
export const apiFaults = {
  badRequest: 'BadRequest',
  unauthorized: 'Unauthorized',
  forbidden: 'Forbidden',
  notFound: 'NotFound',
  methodNotAllowed: 'MethodNotAllowed',
  notAcceptable: 'NotAcceptable',
  conflict: 'Conflict',
  gone: 'Gone',
  tooLarge: 'RequestTooLarge',
  badMediaType: 'BadMediaType',
  /** A quota: details `resource`, `limit`, `used`, `asked`. */
  overQuota: 'OverQuota',
  tooManyRequests: 'TooManyRequests',
  notImplemented: 'NotImplemented',
  unavailable: 'Unavailable',
} as const;

export interface FaultRow {
  readonly status: number;
  /** For faults without a message of their own. */
  readonly message?: string;
  /** Neutron's `type`. */
  readonly type?: string;
}

export type FaultTable = Readonly<Record<string, FaultRow>>;

export const COMMON_FAULTS: FaultTable = {
  [apiFaults.badRequest]: { status: 400, message: 'The server could not comply with the request.' },
  [apiFaults.unauthorized]: { status: 401, message: 'The request you have made requires authentication.' },
  [apiFaults.forbidden]: { status: 403, message: 'Access was denied to this resource.' },
  [apiFaults.notFound]: { status: 404, message: 'The resource could not be found.' },
  [apiFaults.methodNotAllowed]: { status: 405, message: 'The method is not allowed for the requested URL.' },
  [apiFaults.notAcceptable]: { status: 406, message: 'The version is not supported by the API.' },
  [apiFaults.conflict]: { status: 409, message: 'The request conflicts with the state of the resource.' },
  [apiFaults.gone]: { status: 410, message: 'The resource is gone.' },
  [apiFaults.tooLarge]: { status: 413, message: 'Request is too large.' },
  [apiFaults.badMediaType]: { status: 415, message: 'The content type is not supported.' },
  [apiFaults.overQuota]: { status: 413, message: 'Quota exceeded.' },
  [apiFaults.tooManyRequests]: { status: 429, message: 'Too many requests.' },
  [apiFaults.notImplemented]: { status: 501, message: 'The server does not offer this.' },
  [apiFaults.unavailable]: { status: 503, message: 'The service is unavailable at this time.' },
  [storeFaults.conflict]: { status: 503, message: 'Too many changes at once, try again.' },
  [storeFaults.leaseLost]: { status: 503, message: 'Another controller has taken over, try again.' },
  [storeFaults.tooLarge]: { status: 400, message: 'A value is too long.' },
  [fabricFaults.overloaded]: { status: 503, message: 'The service is busy, try again.' },
  [fabricFaults.unreachable]: { status: 503, message: 'A part of the service cannot be reached.' },
  [fabricFaults.deadline]: { status: 504, message: 'A part of the service did not answer in time.' },
};

export type FaultStyle = 'keystone' | 'cinder' | 'nova' | 'neutron' | 'glance';

export interface RenderedFault {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly type?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Names that Cinder and Nova give to statuses (their api/openstack/wsgi.py); the odd spelling of 406 is Nova's. */
const NAMES: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  501: 'notImplemented',
  503: 'serviceUnavailable',
};
const NOVA_NAMES: Readonly<Record<number, string>> = { ...NAMES, 406: 'notAceptable', 429: 'overLimit' };

const STYLES: Readonly<Record<FaultStyle, (fault: RenderedFault) => object>> = {
  keystone: ({ status, message }) => ({ error: { code: status, message, title: TITLES[status] ?? 'Error' } }),
  cinder: (fault) => named(fault, NAMES),
  nova: (fault) => named(fault, NOVA_NAMES),
  neutron: ({ code, message, type }) => ({ NeutronError: { type: type ?? code, message, detail: '' } }),
  glance: ({ status, message }) => ({ code: `${status} ${TITLES[status] ?? 'Error'}`, title: TITLES[status], message }),
};

function named({ status, message, retryAfterSeconds }: RenderedFault, names: Readonly<Record<number, string>>): object {
  const retry = retryAfterSeconds === undefined ? {} : { retryAfter: String(retryAfterSeconds) };
  return { [names[status] ?? 'computeFault']: { code: status, message, ...retry } };
}

export function renderFault(style: FaultStyle, fault: RenderedFault): string {
  return JSON.stringify(STYLES[style](fault));
}
