/**
 * Tags of objects and buckets: which can be, and in what order they are kept. Pure. Who may set and read them is decided in
 * authorise.ts; they lie in the object's record, or in the container's `s3` map.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
 */
import { Fault } from '../../fabric/errors.ts';
import { storeFaults, type Tag, type Tags } from './contract.ts';

export const OBJECT_TAGS_MAX = 10;
export const BUCKET_TAGS_MAX = 50;
/** In characters, not bytes. */
const KEY_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 256;
/** Of the systems themselves: nobody's to set. */
const RESERVED = /^aws:/i;
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** The tags as they are kept, ordered by key. Faults InvalidTag, TooManyTags. */
export function checkTags(tags: Tags, kind: 'object' | 'bucket'): Tags {
  const max = kind === 'object' ? OBJECT_TAGS_MAX : BUCKET_TAGS_MAX;
  if (tags.length > max) {
    const what = kind === 'object' ? 'Object' : 'Bucket';
    throw new Fault(storeFaults.tooManyTags, {}, `${what} tags cannot be greater than ${max}`);
  }
  const seen = new Set<string>();
  for (const [key, value] of tags) {
    if (key === '' || !isText(key, KEY_LENGTH_MAX)) throw invalid('The TagKey you have provided is invalid', key);
    if (!isText(value, VALUE_LENGTH_MAX)) throw invalid('The TagValue you have provided is invalid', key);
    if (RESERVED.test(key)) throw invalid('System tags cannot be added/updated by requester', key);
    if (seen.has(key)) throw invalid('Cannot provide multiple Tags with the same key', key);
    seen.add(key);
  }
  return [...tags].sort(([a], [b]) => (a < b ? -1 : 1));
}

function isText(text: string, lengthMax: number): boolean {
  // A character has at most two UTF-16 units.
  return text.length <= lengthMax * 2 && [...text].length <= lengthMax && CHARACTERS.test(text);
}

function invalid(message: string, key: string): Fault {
  return new Fault(storeFaults.invalidTag, { xml: { TagKey: key.slice(0, KEY_LENGTH_MAX) } }, message);
}

/** What to keep: nothing where there is none. */
export function keptTags(tags: Tags | undefined): Tags | undefined {
  return tags === undefined || tags.length === 0 ? undefined : tags;
}

export function tagValue(tags: Tags | undefined, key: string): string | undefined {
  return tags?.find((tag: Tag) => tag[0] === key)?.[1];
}
