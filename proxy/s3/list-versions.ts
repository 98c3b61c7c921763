/** ListObjectVersions. In a bucket without versioning every object is the null version of itself. */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { escapeXml, xmlElement } from '../../fabric/xml.ts';
import type { Page, VersionEntry } from '../object/contract.ts';
import { checkVersionId, classXml, isoTime, ownerXml, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { entryOwner, entrySum, headXml, type Listing, readListing } from './list-objects.ts';

export async function listVersions(call: S3Call): Promise<HttpResponse> {
  const { query } = call;
  const listing = await readListing(call);
  const marker = query.get('key-marker') ?? '';
  const versionMarker = query.get('version-id-marker');
  if (versionMarker !== undefined && marker === '') {
    throw s3Fault('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
      ArgumentName: 'version-id-marker',
      ArgumentValue: versionMarker,
    });
  }
  if (versionMarker !== undefined && versionMarker !== '') checkVersionId(versionMarker);
  const page = await fetchPage(call, listing, { marker, versionMarker });
  let xml = headXml(call, listing);
  xml += `<KeyMarker>${listing.encode(marker)}</KeyMarker>${xmlElement('VersionIdMarker', versionMarker ?? '')}`;
  if (page.truncated) xml += nextXml(page, listing);
  xml += `<MaxKeys>${listing.maxKeys}</MaxKeys>${xmlElement('IsTruncated', page.truncated)}`;
  return xmlAnswer(call, 'ListVersionsResult', xml + entriesXml(page, listing));
}

/** `limit` 0 must still answer for rights and existence. */
async function fetchPage(
  call: S3Call,
  listing: Listing,
  { marker, versionMarker }: { readonly marker: string; readonly versionMarker: string | undefined },
): Promise<Page<VersionEntry>> {
  const page = await call.world.store.listVersions(call.context, listing.ref, {
    limit: Math.max(listing.maxKeys, 1),
    prefix: listing.prefix || undefined,
    delimiter: listing.delimiter || undefined,
    marker: marker || undefined,
    versionIdMarker: versionMarker || undefined,
  });
  return listing.maxKeys === 0 ? { entries: [], truncated: false } : page;
}

function nextXml({ entries }: Page<VersionEntry>, { encode }: Listing): string {
  const last = entries.at(-1);
  if (last === undefined) return '';
  if ('prefix' in last) return `<NextKeyMarker>${encode(last.prefix)}</NextKeyMarker>`;
  const version = xmlElement('NextVersionIdMarker', last.versionId);
  return `<NextKeyMarker>${encode(last.name)}</NextKeyMarker>${version}`;
}

function entriesXml({ entries }: Page<VersionEntry>, { encode, ref }: Listing): string {
  const usual = ownerXml('Owner', ref.account);
  let versions = '';
  let prefixes = '';
  for (const entry of entries) {
    if ('prefix' in entry) {
      prefixes += `<CommonPrefixes><Prefix>${encode(entry.prefix)}</Prefix></CommonPrefixes>`;
      continue;
    }
    const names = `<Key>${encode(entry.name)}</Key>${xmlElement('VersionId', entry.versionId)}`;
    const about = `${names}<IsLatest>${entry.isLatest}</IsLatest><LastModified>${isoTime(entry.stamp)}</LastModified>`;
    const owner = entryOwner(entry.extra, usual);
    if (entry.deleteMarker) {
      versions += `<DeleteMarker>${about}${owner}</DeleteMarker>`;
      continue;
    }
    const size = `<ETag>&quot;${escapeXml(entry.etag)}&quot;</ETag>${entrySum(entry.extra)}<Size>${entry.sizeBytes}</Size>`;
    versions += `<Version>${about}${size}${owner}${classXml(entry.extra)}</Version>`;
  }
  return versions + prefixes;
}
