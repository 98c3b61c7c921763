/**
 * Headers that a presigned URL carries in its query (`x-amz-meta-color=red&x-amz-acl=private`), as SDKs write them: they
 * count like headers and are checked like headers. The parameters of the signature itself are none.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { s3Fault } from './errors.ts';
import type { Query } from './query.ts';

const OF_THE_SIGNATURE: ReadonlySet<string> = new Set(
  ['algorithm', 'content-sha256', 'credential', 'date', 'expires', 'security-token', 'signature', 'signedheaders'].map(
    (word) => `x-amz-${word}`,
  ),
);

/** Lower-case name and latin1 value in turn; empty when there is none. Names that come twice are refused. */
export function hoistedLines(request: HttpRequest, query: Query): readonly string[] {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const [parameter, value] of query) {
    const name = parameter.toLowerCase();
    if (!name.startsWith('x-amz-') || OF_THE_SIGNATURE.has(name)) continue;
    if (seen.has(name) || request.headers.has(name)) {
      throw s3Fault('InvalidArgument', 'A header is given more than once', { ArgumentName: name });
    }
    seen.add(name);
    lines.push(name, Buffer.from(value, 'utf8').toString('latin1'));
  }
  return lines;
}

/** The request as if `added` had come as headers. */
export function withLines(request: HttpRequest, added: readonly string[]): HttpRequest {
  const headers = new Map(request.headers);
  for (let i = 0; i < added.length; i += 2) headers.set(added[i]!, added[i + 1]!);
  const lines = [...request.headerLines(), ...added];
  const { method, path, query, body, signal, tls } = request;
  const altersHeaders = request.altersHeaders === true;
  return {
    method,
    path,
    query,
    headers,
    headerLines: () => lines,
    body,
    tls,
    signal,
    altersHeaders,
    get remoteAddress() {
      return request.remoteAddress;
    },
  };
}

/** `covered` and the names in `added`: a URL arrives as it was sent. */
export function withHoisted(covered: ReadonlySet<string>, added: readonly string[]): ReadonlySet<string> {
  return new Set([...covered, ...added.filter((_, i) => i % 2 === 0)]);
}
