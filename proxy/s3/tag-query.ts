/** The value of x-amz-tagging: tags as in a query. What a tag may be is decided in proxy/object/tags.ts. */
import type { Tag, Tags } from '../object/contract.ts';
import { decodeName } from './address.ts';
import { s3Fault } from './errors.ts';

export const TAGGING_HEADER = 'x-amz-tagging';

/** `key=value&key2=value2`, as in a query. Fault InvalidArgument. */
export function parseTagQuery(text: string): Tags {
  const tags: Tag[] = [];
  const seen = new Set<string>();
  for (const piece of text.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const key = decode(equals < 0 ? piece : piece.slice(0, equals), text);
    if (key === '' || seen.has(key)) throw badHeader(text);
    seen.add(key);
    tags.push([key, equals < 0 ? '' : decode(piece.slice(equals + 1), text)]);
  }
  return tags;
}

function decode(piece: string, text: string): string {
  try {
    return decodeName(piece.replaceAll('+', ' '));
  } catch {
    throw badHeader(text);
  }
}

function badHeader(value: string): Error {
  const message = `The header '${TAGGING_HEADER}' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.`;
  return s3Fault('InvalidArgument', message, { ArgumentName: TAGGING_HEADER, ArgumentValue: value });
}
