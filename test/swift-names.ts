/**
 * Headers and parameters that requests of the Swift API may bring, for docs/api-support.md. That none is missing and none too
 * many is checked against what the code asks requests for (test/swift-names.test.ts).
 */

export interface SwiftName {
  /** Lower-case; parameters begin with `?`; with `*` at the end a family. */
  readonly name: string;
  readonly where: string;
  readonly note: string;
  /** File of test/conformance without `swift-`, and the test in it. */
  readonly shown: readonly [file: string, test: string];
}

const names = (
  shown: SwiftName['shown'],
  where: string,
  rows: Readonly<Record<string, string>>,
): readonly SwiftName[] => Object.entries(rows).map(([name, note]) => ({ name, where, note, shown }));

const TOKENS = ['containers', 'tokens open, and nothing else does'] as const;
const PUT_GET = ['objects', 'what is put is got, with Swift headers'] as const;
const CONDITIONS = ['objects', 'conditions are honoured'] as const;
const COPIES = ['objects', 'copies keep or replace metadata'] as const;
const METADATA = ['containers', 'container and account metadata is set, merged and removed'] as const;
const LISTINGS = ['containers', 'listing parameters'] as const;
const LINKS = ['temp-url', 'everything that is not as signed is 401'] as const;

export const SWIFT_NAMES: readonly SwiftName[] = [
  ...names(TOKENS, 'GET auth', {
    'x-auth-user': '`account:user`',
    'x-auth-key': 'its password',
    'x-storage-user': 'the same as X-Auth-User',
    'x-storage-pass': 'the same as X-Auth-Key',
  }),
  ...names(TOKENS, 'any', {
    'x-auth-token': "a token of /auth/v1.0 or of Keystone's API",
    'x-storage-token': 'the same',
    'x-trans-id-extra': 'ends the transaction id, 32 bytes of it',
  }),
  ...names(['services', 'an account of a service opens for both together'], 'any', {
    'x-service-token': 'for accounts of services, beside the user’s own token',
  }),
  ...names(PUT_GET, 'PUT, POST object', {
    'content-type': '`application/octet-stream` or by the name where it is missing',
    'content-encoding': 'kept and answered',
    'content-disposition': 'kept and answered',
    'content-language': 'kept and answered',
    'cache-control': 'kept and answered',
    expires: 'kept and answered',
    'x-robots-tag': 'kept and answered',
  }),
  ...names(['objects', 'the name tells the content type where the client does not'], 'PUT, POST object', {
    'x-detect-content-type': 'true: by the name, whatever Content-Type says',
  }),
  ...names(['objects', 'a body needs a length or chunks, must match its ETag and stay below 5 GiB'], 'PUT object', {
    etag: "the body's MD5, 422 where it differs; of a large object its own",
    'content-length': '411 without it and without chunks, 413 above 5 GiB',
  }),
  ...names(['objects', 'metadata comes back byte for byte, and POST replaces it as a whole'], 'PUT, POST object', {
    'x-object-meta-*': 'metadata; POST replaces all of it',
  }),
  ...names(METADATA, 'PUT, POST container', {
    'x-container-meta-*': 'metadata; an empty value removes',
    'x-remove-container-meta-*': 'removes',
  }),
  ...names(METADATA, 'POST account', {
    'x-account-meta-*': 'metadata; an empty value removes',
    'x-remove-account-meta-*': 'removes',
  }),
  ...names(['containers', 'ACLs are cleaned and kept'], 'PUT, POST container', {
    'x-container-read': 'ACL: accounts, users, roles, `.r:` referrers, `.rlistings`',
    'x-container-write': 'ACL: accounts, users, roles',
  }),
  ...names(['containers', 'the public may read what .r:* opens'], 'GET, HEAD container and object', {
    referer: 'what `.r:` in an ACL is compared with',
  }),
  ...names(['account-acls', 'each role may do its part and no more'], 'POST account', {
    'x-account-access-control': 'JSON with admin, read-write and read-only',
    'x-remove-account-access-control': 'removes it',
  }),
  ...names(['objects', 'deletion times are kept and cannot lie in the past'], 'PUT, POST object', {
    'x-delete-at': 'seconds of the epoch',
    'x-delete-after': 'seconds from now',
  }),
  ...names(['expiry.test', 'from one life of the cluster to the next'], 'GET, HEAD, POST, DELETE object', {
    'x-open-expired': 'true: what has expired and is still there',
    'x-if-delete-at': '412 where the object does not expire then (DELETE)',
  }),
  ...names(CONDITIONS, 'object', {
    'if-match': 'PUT, GET, HEAD, COPY, DELETE',
    'if-none-match': 'GET, HEAD; `*` on PUT',
    'if-modified-since': 'GET, HEAD',
    'if-unmodified-since': 'GET, HEAD, PUT, DELETE',
  }),
  ...names(['objects', 'ranges: one, several, none that fits'], 'GET object, COPY', {
    range: 'one or several; `multipart/byteranges`',
    'if-range': 'ETag or date',
  }),
  ...names(COPIES, 'PUT object', {
    'x-copy-from': 'container and object, percent-encoded; `?version-id` may follow',
    'x-copy-from-account': 'of another account',
  }),
  ...names(COPIES, 'COPY object', {
    destination: 'container and object, percent-encoded',
    'destination-account': 'another account',
  }),
  ...names(['objects', 'a copy without its source’s metadata stays what it is'], 'COPY, PUT object + X-Copy-From', {
    'x-fresh-metadata': 'true: only metadata of this request',
  }),
  ...names(['objects', 'a dynamic large object is what its prefix holds'], 'PUT, POST object', {
    'x-object-manifest': 'a dynamic large object: container and prefix',
  }),
  ...names(['symlinks', 'who reads a link reads what it leads to'], 'PUT object', {
    'x-symlink-target': 'container and object',
    'x-symlink-target-account': 'of another account',
  }),
  ...names(['symlinks', 'a static link holds what it was made of'], 'PUT object', {
    'x-symlink-target-etag': 'a static link: 409 unless the target has it',
  }),
  ...names(['versioned', 'a container says whether it keeps versions'], 'PUT, POST container', {
    'x-versions-enabled': 'true, false',
  }),
  ...names(['archived', 'a stack: a delete brings the one before back'], 'PUT, POST container', {
    'x-versions-location': 'a container for older versions; deletes bring them back',
    'x-remove-versions-location': 'removes either',
  }),
  ...names(['archived', 'a history: a delete leaves a trace'], 'PUT, POST container', {
    'x-history-location': 'a container for older versions; deletes are kept there too',
    'x-remove-history-location': 'removes either',
  }),
  ...names(['sync', 'where a container may be sent'], 'PUT, POST container', {
    'x-container-sync-to': '`//realm/cluster/account/container`, or a URL of an allowed host',
    'x-remove-container-sync-to': 'removes it',
  }),
  ...names(['sync', 'only owners see and set it'], 'PUT, POST container', {
    'x-container-sync-key': 'of both containers; also on objects, as a sender with a full URL has it',
    'x-remove-container-sync-key': 'removes it',
  }),
  ...names(['sync', 'a signature of the realm opens one container'], 'object, GET and HEAD container', {
    'x-container-sync-auth': '`realm nonce signature` of another cluster',
  }),
  ...names(['sync', 'the newer one stays, whichever comes first'], 'object', {
    'x-timestamp': 'of another cluster: when the write was made; of others it does not count',
  }),
  ...names(['sync', 'manifests and links come before what they lead to'], 'PUT object', {
    'x-static-large-object': 'True, of another cluster: the body is a manifest',
    'x-symlink-target-bytes': 'of another cluster: the size of what a static link leads to',
  }),
  ...names(['containers', 'a container is made, described, found not empty and removed'], 'PUT container', {
    'x-storage-policy': 'a policy of /info; 409 where the container has another',
  }),
  ...names(['quotas', 'a container holds no more than it may'], 'PUT, POST container', {
    'x-container-meta-quota-bytes': '413 beyond it',
    'x-container-meta-quota-count': '413 beyond it',
  }),
  ...names(['quotas', 'an account holds no more than its reseller lets it'], 'POST account', {
    'x-account-meta-quota-bytes': 'of a reseller admin; 413 beyond it',
  }),
  ...names(['web', 'an account that nobody may write into'], 'POST account', {
    'x-account-sysmeta-read-only': 'of a reseller admin: 405 for writes',
  }),
  ...names(['web', 'a container that nobody may write into'], 'PUT, POST container', {
    'x-container-sysmeta-read-only': 'of a reseller admin: 405 for writes',
  }),
  ...names(['operators.test', 'rates'], 'POST account', {
    'x-account-sysmeta-global-write-ratelimit': 'of a reseller admin: WHITELIST, BLACKLIST or a rate',
  }),
  ...names(['web', 'ETags in quotes where they are asked for'], 'POST account, PUT and POST container', {
    'x-account-rfc-compliant-etags': 'true: ETags in quotes',
    'x-container-rfc-compliant-etags': 'true: ETags in quotes',
  }),
  ...names(['web', 'index files, and the way to the slash'], 'PUT, POST container', {
    'x-container-meta-web-index': 'name of index files',
    'x-container-meta-web-directory-type': 'content type of markers of directories',
  }),
  ...names(['web', 'listings are pages'], 'PUT, POST container', {
    'x-container-meta-web-listings': 'true: listings as pages',
    'x-container-meta-web-listings-css': 'their style',
    'x-container-meta-web-listings-label': 'their title',
  }),
  ...names(['web', 'error pages'], 'PUT, POST container', {
    'x-container-meta-web-error': 'end of the names of error pages',
  }),
  ...names(['web', 'it opens nothing that is not public'], 'GET, HEAD container and object', {
    'x-web-mode': 'true: pages also for who has a token',
  }),
  ...names(['cors', 'an answer to an allowed origin says so'], 'PUT, POST container', {
    'x-container-meta-access-control-allow-origin': 'origins, or `*`',
    'x-container-meta-access-control-expose-headers': 'further headers that scripts may see',
    'x-container-meta-access-control-max-age': 'seconds that a preflight is remembered',
  }),
  ...names(['cors', 'a preflight is answered as the container says'], 'OPTIONS', {
    origin: 'of the page; also on other methods',
    'access-control-request-method': 'required',
    'access-control-request-headers': 'answered as they are',
  }),
  ...names(['temp-url', 'a link reads its object, whichever digest signed it'], 'PUT, POST container', {
    'x-container-meta-temp-url-key': 'signs links and forms',
    'x-container-meta-temp-url-key-2': 'the same',
  }),
  ...names(['temp-url', 'the key may be the account’s'], 'POST account', {
    'x-account-meta-temp-url-key': 'signs links and forms',
    'x-account-meta-temp-url-key-2': 'the same',
  }),
  ...names(['containers', 'listings in text, JSON and XML'], 'GET account and container', {
    accept: 'text, JSON or XML; 406 otherwise',
    '?format': 'plain, json, xml; before Accept',
  }),
  ...names(LISTINGS, 'GET account and container', {
    '?prefix': '',
    '?delimiter': 'one or several bytes',
    '?marker': '',
    '?end_marker': '',
    '?limit': 'up to 10,000; 412 above',
    '?reverse': 'true: from the end',
  }),
  ...names(LISTINGS, 'GET container', { '?path': 'as a prefix with a slash and delimiter' }),
  ...names(['versioned', 'long listings in pages, both ways'], 'GET container', {
    '?versions': 'older versions too, in JSON',
    '?version_marker': 'beside marker',
  }),
  ...names(['versioned', 'versions are kept, read, listed and copied'], 'object', {
    '?version-id': 'GET, HEAD, PUT, DELETE; `null` is the one without versions',
  }),
  ...names(['slo', 'segments become one object'], 'PUT, GET, HEAD, COPY, DELETE object', {
    '?multipart-manifest': '`put`, `get`, `delete`',
  }),
  ...names(['slo', 'a client that would rather not wait for the head'], 'PUT object', {
    '?heartbeat': 'true: 202 at once, blanks, then the result',
  }),
  ...names(['slo', 'bulk deletion'], 'POST, DELETE account', { '?bulk-delete': 'paths in the body, a line each' }),
  ...names(['archives', 'the files of an archive become objects'], 'PUT', {
    '?extract-archive': 'tar, tar.gz, tar.bz2',
  }),
  ...names(['symlinks', 'a link is posted to, copied and listed as itself'], 'GET, HEAD, COPY object', {
    '?symlink': '`get`: the link itself',
  }),
  ...names(LINKS, 'object', {
    '?temp_url_sig': 'SHA-256 or SHA-512, hexadecimal or Base64 with its name; SHA-1 where configured',
    '?temp_url_expires': 'seconds of the epoch or ISO 8601',
    '?temp_url_prefix': 'of the names that the link opens',
    '?temp_url_ip_range': 'addresses that may use it',
  }),
  ...names(['temp-url', 'the name to save it under'], 'GET object', {
    '?filename': 'to save it under',
    '?inline': 'to show, not to save',
  }),
];
