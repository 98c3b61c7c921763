/**
 * Tags as requests write them, in x-amz-tagging or in a document, and as answers show them. What a tag may be is decided in
 * proxy/object/tags.ts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
 */
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import type { ObjectInfo, Tags } from '../object/contract.ts';
import type { S3Call } from './call.ts';
import { s3Fault } from './errors.ts';
import { parseTagQuery, TAGGING_HEADER } from './tag-query.ts';
import { checkChildren, readXml } from './xml-body.ts';

/** Fifty tags of the longest key and value, every character as four bytes, generously indented. */
const DOCUMENT_BYTES_MAX = 128 * 1024;
/** More than may be, so that too many of them are told so. */
const DOCUMENT_ELEMENTS_MAX = 1000;
const TAG_NAMES: ReadonlySet<string> = new Set(['Key', 'Value']);

/** Of PutObject, CopyObject, CreateMultipartUpload; undefined without the header. */
export function readTagHeader(call: S3Call): Tags | undefined {
  const text = call.request.headers.get(TAGGING_HEADER);
  return text === undefined ? undefined : parseTagQuery(text);
}

/** The document of PutObjectTagging and PutBucketTagging. */
export async function readTagBody(call: S3Call): Promise<Tags> {
  return tagsOf(await readXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX }));
}

export function tagsOf(root: XmlElement): Tags {
  const [set, ...others] = root.children;
  if (root.name !== 'Tagging' || set?.name !== 'TagSet' || others.length > 0) throw s3Fault('MalformedXML');
  return readTagSet(set);
}

export function readTagSet(set: XmlElement): Tags {
  checkChildren(set, new Set(['Tag']), 'Tag');
  return set.children.map((tag) => {
    checkChildren(tag, TAG_NAMES);
    const [key, value] = [childText(tag, 'Key'), childText(tag, 'Value')];
    if (key === undefined || value === undefined) throw s3Fault('MalformedXML');
    return [key, value];
  });
}

export function tagSetXml(tags: Tags): string {
  const each = tags.map(([key, value]) => `<Tag>${xmlElement('Key', key)}${xmlElement('Value', value)}</Tag>`);
  return `<TagSet>${each.join('')}</TagSet>`;
}

/** x-amz-tagging-count, for who may read them. */
export function pushTagCount(out: string[], { tags }: ObjectInfo): void {
  if (tags !== undefined && tags !== 'hidden') out.push('x-amz-tagging-count', String(tags.length));
}
