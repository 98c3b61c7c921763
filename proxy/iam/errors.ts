/**
 * Errors of the query APIs (STS, IAM): code and status, and which of them stands for a fault of others.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { XML_DECLARATION, xmlElement } from '../../fabric/xml.ts';

export const QUERY_CODES = {
  AccessDenied: [403, 'Access Denied'],
  DeleteConflict: [409, 'The entity is still in use.'],
  EntityAlreadyExists: [409, 'The entity already exists.'],
  ExpiredToken: [403, 'The security token included in the request is expired'],
  IncompleteSignature: [400, 'The request signature does not conform to AWS standards.'],
  InternalFailure: [500, 'The request processing has failed because of an unknown error, exception or failure.'],
  InvalidAction: [400, 'The action or operation requested is invalid.'],
  InvalidClientTokenId: [403, 'The security token included in the request is invalid.'],
  InvalidInput: [400, 'The input is not valid.'],
  LimitExceeded: [409, 'The request goes beyond what an account may have.'],
  MalformedPolicyDocument: [400, 'The policy document is malformed.'],
  MalformedQueryString: [400, 'The query string contains a syntax error.'],
  MissingAuthenticationToken: [403, 'Request is missing Authentication Token'],
  NoSuchEntity: [404, 'The entity cannot be found.'],
  NotImplemented: [501, 'This is not implemented.'],
  PackedPolicyTooLarge: [400, 'The policy of the session is too large.'],
  ServiceUnavailable: [503, 'The request has failed due to a temporary failure of the server.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  ],
  ValidationError: [400, 'The input fails to satisfy the constraints.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>;

export type QueryCode = keyof typeof QUERY_CODES;

/** Signatures' and the store's words for it. */
const ALIASES: Readonly<Record<string, QueryCode>> = {
  AuthorizationHeaderMalformed: 'IncompleteSignature',
  AuthorizationQueryParametersError: 'IncompleteSignature',
  InvalidAccessKeyId: 'InvalidClientTokenId',
  InvalidArgument: 'IncompleteSignature',
  InvalidRequest: 'IncompleteSignature',
  InvalidToken: 'InvalidClientTokenId',
  MalformedPolicy: 'MalformedPolicyDocument',
  Overloaded: 'ServiceUnavailable',
  RequestTimeTooSkewed: 'SignatureDoesNotMatch',
  StoreConflict: 'ServiceUnavailable',
  StoreRowTooLarge: 'LimitExceeded',
  Unreachable: 'ServiceUnavailable',
};
/** Of these what was thrown says more than the code. */
const TELLING: ReadonlySet<string> = new Set(['MalformedPolicy', 'AuthorizationHeaderMalformed']);

export function queryFault(code: QueryCode, message = ''): Fault {
  return new Fault(code, {}, message);
}

export interface QueryError {
  readonly code: QueryCode;
  readonly status: number;
  readonly message: string;
}

export function queryErrorOf(error: unknown): QueryError {
  if (!isFault(error)) return of('InternalFailure');
  const alias = Object.hasOwn(ALIASES, error.code) ? ALIASES[error.code] : undefined;
  if (alias !== undefined) return of(alias, TELLING.has(error.code) ? error.message : '');
  if (!Object.hasOwn(QUERY_CODES, error.code)) return of('InternalFailure');
  return of(error.code as QueryCode, error.message === error.code ? '' : error.message);
}

function of(code: QueryCode, message = ''): QueryError {
  const [status, usual] = QUERY_CODES[code];
  return { code, status, message: message === '' ? usual : message };
}

export function queryErrorXml(
  { code, status, message }: QueryError,
  ids: { xmlns: string; requestId: string },
): string {
  const type = xmlElement('Type', status >= 500 ? 'Receiver' : 'Sender');
  const inner = `<Error>${type}${xmlElement('Code', code)}${xmlElement('Message', message)}</Error>`;
  return `${XML_DECLARATION}<ErrorResponse xmlns="${ids.xmlns}">${inner}${xmlElement('RequestId', ids.requestId)}</ErrorResponse>`;
}
