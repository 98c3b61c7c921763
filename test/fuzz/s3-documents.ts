/** A proper document or two of each operation that takes XML, for the fuzzer to spoil. */
export interface DocumentOf {
  readonly name: string;
  readonly sub: string;
  readonly path: string;
  readonly texts: readonly string[];
  /** PUT when absent. */
  readonly method?: 'POST';
  /** False where no GET shows it again in the form it was sent. */
  readonly shows?: false;
}

const RULE_FILTER =
  '<Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>';
const GRANTEE =
  '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>AUTH_test</ID></Grantee>';
const GROUP =
  '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>';

const bucket = (name: string, sub: string, ...texts: readonly string[]): DocumentOf => ({
  name,
  sub,
  path: '/bucket',
  texts,
});

export const DOCUMENTS: readonly DocumentOf[] = [
  bucket(
    'tagging',
    'tagging',
    '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>',
  ),
  bucket(
    'cors',
    'cors',
    '<CORSConfiguration><CORSRule><ID>i</ID><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://*.a</AllowedOrigin><AllowedHeader>*</AllowedHeader><ExposeHeader>b</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  ),
  bucket(
    'lifecycle',
    'lifecycle',
    `<LifecycleConfiguration><Rule><ID>r</ID>${RULE_FILTER}<Status>Enabled</Status><Expiration><Days>3</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>4</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`.replace(
      '<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
      '',
    ),
    '<LifecycleConfiguration><Rule><Prefix>b</Prefix><Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>',
    '<LifecycleConfiguration><Rule><ID>m</ID><Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>',
  ),
  bucket(
    'lock',
    'object-lock',
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>1</Years></DefaultRetention></Rule></ObjectLockConfiguration>',
  ),
  bucket(
    'encryption',
    'encryption',
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>',
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>',
  ),
  bucket(
    'website',
    'website',
    '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key>e</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition><Redirect><Protocol>https</Protocol><HostName>h</HostName><ReplaceKeyWith>b</ReplaceKeyWith><HttpRedirectCode>307</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>',
    '<WebsiteConfiguration><RedirectAllRequestsTo><HostName>a.org</HostName><Protocol>https</Protocol></RedirectAllRequestsTo></WebsiteConfiguration>',
  ),
  bucket(
    'acl',
    'acl',
    `<AccessControlPolicy><Owner><ID>AUTH_test</ID></Owner><AccessControlList><Grant>${GRANTEE}<Permission>FULL_CONTROL</Permission></Grant><Grant>${GROUP}<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`,
  ),
  bucket('versioning', 'versioning', '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'),
  bucket(
    'ownership',
    'ownershipControls',
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  ),
  bucket(
    'access-block',
    'publicAccessBlock',
    '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>',
  ),
  {
    name: 'object-tagging',
    sub: 'tagging',
    path: '/bucket/key',
    texts: ['<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'],
  },
  {
    name: 'delete',
    sub: 'delete',
    path: '/bucket',
    method: 'POST',
    shows: false,
    texts: [
      '<Delete><Object><Key>none</Key></Object><Object><Key>b</Key><VersionId>null</VersionId></Object><Quiet>true</Quiet></Delete>',
    ],
  },
  {
    name: 'complete',
    sub: 'uploadId=none',
    path: '/bucket/key',
    method: 'POST',
    shows: false,
    texts: [
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>',
    ],
  },
  {
    name: 'new-bucket',
    sub: '',
    path: '/other',
    shows: false,
    texts: [
      '<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>',
    ],
  },
];
