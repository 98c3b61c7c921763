/** `/info` and `/healthcheck`: what anybody may know without a token. */
import type { PolicyName, SwiftCall } from './call.ts';
import type { SwiftResponse } from './response.ts';
import { URL_DIGESTS, type UrlDigest } from './url-digests.ts';

export function answerInfo(call: SwiftCall): SwiftResponse {
  const headers = ['Content-Type', 'application/json; charset=UTF-8'];
  return { status: 200, headers, body: JSON.stringify(call.world.info) };
}

export function answerHealthcheck(): SwiftResponse {
  return { status: 200, headers: ['Content-Type', 'text/plain'], body: 'OK' };
}

interface Listed {
  readonly name?: unknown;
  readonly aliases?: unknown;
  readonly deprecated?: unknown;
}

/** Storage policies by index, from `/info`: `swift.policies` lists them in that order, aliases split by commas. */
export function policyNamesOf(info: Readonly<Record<string, unknown>>): readonly PolicyName[] {
  const swift = info['swift'] as { policies?: readonly Listed[] } | undefined;
  const listed = swift?.policies ?? [{ name: 'Policy-0' } as Listed];
  return listed.map(({ name, aliases, deprecated }) => {
    const all = `${name},${aliases ?? ''}`.toLowerCase().split(',');
    const known = { name: String(name), deprecated: deprecated === true };
    return { ...known, aliases: all.map((alias) => alias.trim()).filter((alias) => alias !== '') };
  });
}

/** With which signed URLs and forms may be signed: `tempurl.allowed_digests` of `/info`. */
export function urlDigestsOf(info: Readonly<Record<string, unknown>>): readonly UrlDigest[] {
  const { allowed_digests: allowed = [] } = (info['tempurl'] ?? {}) as { allowed_digests?: readonly string[] };
  return URL_DIGESTS.filter((digest) => allowed.includes(digest));
}
