/**
 * What can be wrong with a signature: the codes that S3 gives these refusals. proxy/s3/errors.ts holds their statuses and
 * default messages; `details.xml` holds further fields of the answer, in order.
 */
import { Fault } from '../../fabric/errors.ts';

export const sigv4Faults = {
  accessDenied: 'AccessDenied',
  headerMalformed: 'AuthorizationHeaderMalformed',
  queryMalformed: 'AuthorizationQueryParametersError',
  invalidAccessKeyId: 'InvalidAccessKeyId',
  invalidArgument: 'InvalidArgument',
  invalidRequest: 'InvalidRequest',
  invalidToken: 'InvalidToken',
  expiredToken: 'ExpiredToken',
  invalidChunkSize: 'InvalidChunkSizeError',
  incompleteBody: 'IncompleteBody',
  missingSecurityHeader: 'MissingSecurityHeader',
  malformedTrailer: 'MalformedTrailerError',
  notImplemented: 'NotImplemented',
  requestTimeTooSkewed: 'RequestTimeTooSkewed',
  signatureDoesNotMatch: 'SignatureDoesNotMatch',
} as const;

export type Sigv4Code = (typeof sigv4Faults)[keyof typeof sigv4Faults];

/** Fields of an S3 error answer by element name. */
export type ErrorFields = Readonly<Record<string, string>>;

/** Without a message the code's own is used. */
export function refusal(code: Sigv4Code, message?: string, xml?: ErrorFields): Fault {
  return new Fault(code, xml === undefined ? {} : { xml }, message ?? '');
}
