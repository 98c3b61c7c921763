/**
 * Which test shows which row of docs/api-support.md: the first pattern that fits a row's key names it. A row that nothing
 * fits, a test that does not exist and a pattern that fits no row each fail test/api-support.test.ts.
 */
import { SWIFT_NAMES } from './swift-names.ts';

export interface Shown {
  /** Of the key: `s3 PutBucketCors`, `s3-header x-amz-acl`, `swift PUT object`, `keystone users:create`, `cinder volumes:create`. */
  readonly rows: RegExp;
  readonly file: string;
  /** As the test is called in that file. */
  readonly test: string;
}

const shown = (rows: RegExp, file: string, test: string): Shown => ({ rows, file, test });
const s3 = (rows: RegExp, file: string, test: string): Shown => shown(rows, `test/conformance/s3-${file}.ts`, test);
const swift = (rows: RegExp, file: string, test: string): Shown =>
  shown(rows, `test/conformance/swift-${file}.ts`, test);
const identity = (rows: RegExp, test: string, file = 'api/resources'): Shown =>
  shown(rows, `compute/identity/${file}.test.ts`, test);
const cinder = (rows: RegExp, test: string, file = 'api'): Shown => shown(rows, `block/cinder/${file}.test.ts`, test);

const S3: readonly Shown[] = [
  s3(/^s3 (ListBuckets|CreateBucket|HeadBucket|DeleteBucket)$/, 'objects', 'buckets'),
  s3(
    /^s3 (GetBucketLocation|(Get|Delete)BucketReplication|\w+BucketRequestPayment|\w+BucketAccelerate\w*|\w+BucketLogging)$/,
    'errors',
    'what is absent by nature',
  ),
  s3(
    /^s3 ((Get|Delete)Bucket(Analytics|Inventory|Metrics|IntelligentTiering)|RestoreObject)/,
    'errors',
    'what can never be made',
  ),
  s3(/^s3 ListObjects, /, 'objects', 'listings'),
  s3(/^s3 ListObjectVersions$/, 'versions', 'listings in pages'),
  s3(/^s3 \w+BucketVersioning$/, 'versions', 'the configuration'),
  s3(/^s3 DeleteObjects$/, 'uploads', 'deleting many'),
  s3(/^s3 \w+BucketAcl$/, 'rights', 'canned ACLs of buckets'),
  s3(/^s3 \w+ObjectAcl$/, 'rights', 'ACLs of objects'),
  s3(/^s3 \w+OwnershipControls$/, 'rights', 'ownership controls'),
  s3(/^s3 \w+BucketPolicy(Status)?$/, 'rights', 'bucket policies'),
  s3(/^s3 \w+PublicAccessBlock$/, 'rights', 'public access block'),
  s3(/^s3 (ListMultipartUploads|ListParts)$/, 'uploads', 'listing uploads'),
  s3(/^s3 (GetObject|HeadObject|PutObject|DeleteObject)$/, 'objects', 'put, get, head and delete'),
  s3(/^s3 CopyObject$/, 'objects', 'copies'),
  s3(/^s3 UploadPartCopy$/, 'uploads', 'parts copied from objects'),
  s3(/^s3 (CreateMultipartUpload|UploadPart|CompleteMultipartUpload|AbortMultipartUpload)$/, 'uploads', 'multipart'),
  s3(/^s3 GetObjectAttributes$/, 'uploads', 'attributes of objects'),
  s3(/^s3 PostObject$/, 'forms', 'signed policies'),
  s3(/^s3 \w+ObjectTagging$/, 'tagging', 'set, shown, replaced, removed'),
  s3(/^s3 \w+BucketTagging$/, 'tagging', 'of buckets'),
  s3(/^s3 SelectObjectContent$/, 'select', 'rows of CSV'),
  s3(/^s3 \w+BucketCors$/, 'cors', 'the configuration'),
  s3(/^s3 \w+BucketEncryption$/, 'encryption', 'the default of a bucket'),
  s3(/^s3 \w+BucketLifecycle\w*$/, 'lifecycle', 'the document'),
  s3(/^s3 \w+ObjectLockConfiguration$/, 'locks', 'the configuration'),
  s3(/^s3 \w+(LegalHold|Retention)$/, 'locks', 'retention'),
  s3(/^s3 \w+BucketWebsite$/, 'website', 'the configuration'),
  shown(/^s3 \w+BucketNotification\w*$/, 'test/conformance/s3-notification.test.ts', 'the document'),
  s3(/^s3 /, 'refusals', 'every sub-resource with every method'),
  s3(/^query GetCallerIdentity$/, 'iam', 'who one is'),
  s3(/^query GetSessionToken$/, 'iam', 'a session has what its keys have'),
  s3(/^query AssumeRole$/, 'iam', 'a policy leaves a part of it'),
  s3(/^query (AssumeRoleWith|AssumeRoot|Decode|GetAccessKeyInfo|GetFederation)/, 'iam', 'what is refused'),
  s3(/^query \w+(LoginProfile|Boundary|Alias(es)?|Password|PasswordPolicy|Details|Summary)$/, 'iam', 'what is refused'),
  s3(/^query Simulate/, 'iam', 'what is refused'),
  s3(/^query (Tag|Untag)User$|^query ListUserTags$/, 'iam-groups', 'tags of users'),
  s3(/^query UpdateUser$/, 'iam-groups', 'another name'),
  s3(/^query GetAccessKeyLastUsed$/, 'iam-groups', 'the last use of a key'),
  s3(/^query (Attach|Detach|ListAttached)(User|Group)Polic(y|ies)$/, 'iam-groups', 'policies of AWS'),
  s3(/^query \w*Group\w*$/, 'iam-groups', 'a group from first to last'),
  s3(/^query (\w+PolicyVersions?)$/, 'iam-groups', 'versions of a policy'),
  s3(/^query (Tag|Untag)Policy$|^query ListPolicyTags$/, 'iam-groups', 'tags of policies'),
  s3(/^query (Create|Get|Delete)Policy$|^query ListEntities/, 'iam-groups', 'a policy from first to last'),
  s3(/^query ListPolicies$/, 'iam-groups', 'policies of AWS'),
  s3(/^query \w*Role\w*$/, 'iam-roles', 'a role from first to last'),
  s3(
    /^query (Create|Get|List|Delete|Put|Update)(User|AccessKey|UserPolic)(s|y|ies|Policies)?$/,
    'iam',
    'a user from first to last',
  ),
  s3(/^query /, 'iam', 'who may manage users'),
];

const S3_HEADERS: readonly Shown[] = [
  s3(/^s3-header x-amz-(acl|grant-\*)$/, 'rights', 'grant headers and documents'),
  s3(/^s3-header x-amz-object-ownership$/, 'rights', 'ownership controls'),
  s3(/^s3-header x-amz-(bucket-object-lock|bypass-governance|object-lock)/, 'locks', 'headers of uploads'),
  s3(/^s3-header x-amz-checksum-(mode|type|algorithm)$/, 'uploads', 'multipart checksums'),
  s3(/^s3-header x-amz-(checksum|sdk-checksum)/, 'objects', 'checksums as headers'),
  s3(/^s3-header x-amz-(content-sha256|date|decoded-content-length)$/, 'uploads', 'signed chunks'),
  s3(/^s3-header x-amz-(trailer|te)$/, 'uploads', 'trailers'),
  s3(/^s3-header x-amz-copy-source-range$/, 'uploads', 'parts copied from objects'),
  s3(/^s3-header x-amz-copy-source-server-side/, 'encryption', 'copies between all of them'),
  s3(/^s3-header x-amz-(copy-source|metadata-directive)/, 'objects', 'copies'),
  s3(/^s3-header x-amz-(source-)?expected-bucket-owner$/, 'errors', 'other accounts'),
  s3(/^s3-header x-amz-meta-\*$/, 'objects', 'metadata beyond ASCII'),
  s3(/^s3-header x-amz-(max-parts|object-attributes|part-number-marker)$/, 'uploads', 'attributes of objects'),
  s3(/^s3-header x-amz-mp-object-size$/, 'uploads', 'multipart'),
  s3(/^s3-header x-amz-server-side-encryption-customer/, 'encryption', 'a key of the client'),
  s3(/^s3-header x-amz-server-side-encryption/, 'encryption', 'keys of the store'),
  s3(/^s3-header x-amz-storage-class$/, 'objects', 'storage classes'),
  s3(/^s3-header x-amz-tagging/, 'tagging', 'x-amz-tagging'),
  s3(/^s3-header x-amz-website-redirect-location$/, 'website', 'redirects'),
  s3(/^s3-header x-amz-skip-destination-validation$/, 'refusals', 'headers that promise something'),
  s3(/^s3-header /, 'refusals', 'headers that promise something'),
];

const SWIFT: readonly Shown[] = [
  swift(/^swift \w+ (info|healthcheck|crossdomain)/, 'containers', 'pages that need no token, and paths that are none'),
  swift(/^swift \w+ auth/, 'containers', 'tokens open, and nothing else does'),
  swift(/bulk-delete$/, 'slo', 'bulk deletion'),
  swift(/extract-archive$/, 'archives', 'the files of an archive become objects'),
  swift(/^swift PUT account$/, 'accounts', 'PUT makes an account, once'),
  swift(/^swift DELETE account$/, 'accounts', 'DELETE ends an account with all that is in it'),
  swift(/^swift POST account$/, 'containers', 'container and account metadata is set, merged and removed'),
  swift(/^swift \w+ account$/, 'containers', 'an account lists its containers and counts'),
  swift(/^swift OPTIONS /, 'cors', 'a preflight is answered as the container says'),
  swift(/ versions$/, 'versioned', 'long listings in pages, both ways'),
  swift(/^swift GET container$/, 'containers', 'listings in text, JSON and XML'),
  swift(/^swift POST container$/, 'containers', 'container and account metadata is set, merged and removed'),
  swift(/^swift \w+ container$/, 'containers', 'a container is made, described, found not empty and removed'),
  swift(/(x-copy-from|COPY object)$/, 'objects', 'copies keep or replace metadata'),
  swift(/multipart-manifest=put$/, 'slo', 'segments become one object'),
  swift(/multipart-manifest=delete$/, 'slo', 'deletion takes the segments along'),
  swift(
    /^swift PUT object version-id$/,
    'versioned',
    'the newest one deleted leaves the place empty, and an older one can be put there',
  ),
  swift(
    /^swift DELETE object version-id$/,
    'versioned',
    'a delete leaves a marker, and every version can be deleted for good',
  ),
  swift(/^swift POST object$/, 'objects', 'metadata comes back byte for byte, and POST replaces it as a whole'),
  swift(/^swift DELETE object$/, 'objects', 'delete removes, and a second one is 404'),
  swift(/^swift \w+ object$/, 'objects', 'what is put is got, with Swift headers'),
  swift(/^swift-refused /, 'refusals', 'headers and parameters'),
];

const KEYSTONE: readonly Shown[] = [
  identity(/^keystone auth:(issue|catalog)/, 'a token shows who, where, what and the catalog', 'start'),
  identity(/^keystone auth:(validate|check|revoke)/, 'validate, check and revoke', 'start'),
  identity(/^keystone auth:/, 'scopes', 'start'),
  identity(/^keystone (projects|users|domains):\w*-?tag/, 'tags'),
  identity(/^keystone projects:/, 'the tree of projects'),
  identity(/^keystone (grants|role_assignments|groups):/, 'groups and inheritance give roles', 'start'),
  identity(/^keystone roles:.*(implied|inference|implication)/, 'implied roles', 'start'),
  identity(/^keystone (s3tokens|ec2tokens):/, 'signed requests'),
  identity(/^keystone (credentials|ec2):/, 'credentials and their owners'),
  identity(/^keystone (application_credentials|access_rules):/, 'application credentials'),
  identity(/^keystone (registered_limits|limits):/, 'limits'),
  identity(/^keystone /, 'create, show, update, list, delete'),
];

const CINDER: readonly Shown[] = [
  cinder(
    /^cinder groups:(create-from-source|.*snapshot)|^cinder group-snapshots:/,
    'group snapshots, and groups of them',
    'groups',
  ),
  cinder(/^cinder group-types:/, 'types of groups', 'groups'),
  cinder(/^cinder groups:delete/, 'rules of members', 'groups'),
  cinder(/^cinder-refused groups:.*replication/, 'what a group cannot promise', 'groups'),
  cinder(/^cinder groups:/, 'groups: made, shown by version, listed, changed', 'groups'),
  cinder(/^cinder types:\w+-encryption/, 'types that ask for encryption', 'answers'),
  cinder(/^cinder .*backup/i, 'backups, full, incremental and of snapshots'),
  cinder(/^cinder .*(snapshot|revert)/i, 'snapshots, copies and reverts'),
  cinder(/^cinder .*(attach|connect|reserve|detach|roll)/i, 'attachments in both ways'),
  cinder(/^cinder .*transfer/i, 'transfers change hands and families'),
  cinder(/^cinder .*(access)/i, 'who may use a type'),
  cinder(/^cinder .*(type|qos|spec|encryption)/i, 'types, limits that change live, and scheduling by them'),
  cinder(/^cinder .*(quota|limit)/i, 'quotas are exact, whatever runs at once'),
  cinder(/^cinder .*(service|host|migrat|pool|capabilit|zone|retype)/i, 'where a volume goes, and how it moves'),
  cinder(/^cinder volumes?:(list|detail|summary)/i, 'lists: filters, pages, counts', 'rights'),
  cinder(/^cinder-refused /, 'versions, rights, and what is refused', 'rights'),
  cinder(
    /^cinder .*(message|extension|filter|cluster|cgsnapshot|consistency|manage|worker|version)/i,
    'versions, rights, and what is refused',
    'rights',
  ),
  cinder(/^cinder /, 'volumes from creation to deletion'),
];

const SWIFT_HEADERS: readonly Shown[] = SWIFT_NAMES.map(({ name, shown: [file, test] }) => {
  const literal = name.replace(/[?*]/g, '\\$&');
  return swift(new RegExp(`^swift-name ${literal} ${file}:`), file, test);
});

export const SHOWN: readonly Shown[] = [...S3, ...S3_HEADERS, ...SWIFT_HEADERS, ...SWIFT, ...KEYSTONE, ...CINDER];
