/**
 * Request heads as both engines see them: header lines to a map, and the checks that decide where a body ends. A head
 * that two HTTP implementations could read differently is refused, never guessed at (RFC 9112 §6.3, §3.2).
 */
export interface Head {
  /** [name, value, …], names in lower case. */
  readonly lines: readonly string[];
  /** First value of each name. */
  readonly headers: ReadonlyMap<string, string>;
  /** undefined: chunked. 0: no body. */
  readonly lengthBytes: number | undefined;
  /** Status to refuse the request with, or 0. */
  readonly refusal: number;
}

const DIGITS = /^[0-9]{1,15}$/;

/** `raw`: [name, value, …] in wire order, any case. It is lower-cased in place. */
export function readHead(raw: string[], headerCountMax: number): Head {
  const headers = new Map<string, string>();
  let refusal = raw.length > headerCountMax * 2 ? 431 : 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    raw[i] = name;
    if (!headers.has(name)) headers.set(name, raw[i + 1]!);
    else if (refusal === 0 && mustBeSingle(name)) refusal = 400;
  }
  const length = headers.get('content-length');
  const coding = headers.get('transfer-encoding');
  let lengthBytes: number | undefined = 0;
  if (length !== undefined) {
    if (DIGITS.test(length)) lengthBytes = Number(length);
    else refusal ||= 400;
    if (coding !== undefined) refusal ||= 400;
  } else if (coding !== undefined) {
    lengthBytes = undefined;
    if (coding.toLowerCase() !== 'chunked') refusal ||= 501;
  }
  return { lines: raw, headers, lengthBytes, refusal };
}

function mustBeSingle(name: string): boolean {
  return name === 'content-length' || name === 'transfer-encoding' || name === 'host';
}

export interface Target {
  readonly path: string;
  readonly query: string | undefined;
}

/** Splits a request target at its first `?`; absolute-form loses scheme and authority, which must agree with Host. */
export function readTarget(url: string, host: string | undefined): Target | undefined {
  let target = url;
  if (target.charCodeAt(0) !== 0x2f && target !== '*') {
    const match = /^https?:\/\/([^/?#]*)(.*)$/is.exec(target);
    if (match === null || match[1]!.toLowerCase() !== host?.toLowerCase()) return undefined;
    target = match[2]!.startsWith('/') ? match[2]! : `/${match[2]!}`;
  }
  const mark = target.indexOf('?');
  if (mark < 0) return { path: target, query: undefined };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}
