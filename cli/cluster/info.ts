/** The body of `/info`: limits and features as they are, for clients that adapt to them. */
import { LINKS_MAX } from '../../proxy/object/links.ts';
import { OBJECT_BYTES_MAX } from '../../proxy/object/put.ts';
import { CONTAINERS_MAX, FAILURES_MAX } from '../../proxy/swift/bulk-upload.ts';
import { TEMP_URL_METHODS } from '../../proxy/swift/temp-url.ts';
import { type RatePoint, SWIFT_DEFAULTS, type SwiftOptions } from '../../proxy/swift-options.ts';
import type { SyncOptions } from '../../proxy/sync-realms.ts';

export interface InfoOptions {
  readonly version: string;
  readonly region: string;
  /** With which temporary URLs and forms may be signed. */
  readonly urlDigests: readonly string[];
  readonly swift?: SwiftOptions | undefined;
}

export function clusterInfo({
  version,
  region,
  urlDigests,
  swift = SWIFT_DEFAULTS,
}: InfoOptions): Readonly<Record<string, unknown>> {
  return {
    swift: {
      version,
      policies: swift.policies.map(({ name, aliases, deprecated }, index) => ({
        name,
        aliases: [name, ...aliases].join(', '),
        ...(index === 0 && { default: true }),
        ...(deprecated && { deprecated: true }),
      })),
      max_file_size: OBJECT_BYTES_MAX,
      max_meta_name_length: 128,
      max_meta_value_length: 256,
      max_meta_count: 90,
      max_meta_overall_size: 4096,
      max_header_size: 8192,
      max_object_name_length: 1024,
      container_listing_limit: 10000,
      account_listing_limit: 10000,
      max_account_name_length: 256,
      max_container_name_length: 256,
      extra_header_count: 0,
      valid_api_versions: ['v1', 'v1.0'],
      strict_cors_mode: true,
      account_autocreate: true,
      allow_account_management: swift.accountManagement,
    },
    slo: { max_manifest_segments: 1000, max_manifest_size: 8388608, min_segment_size: 1, yield_frequency: 10 },
    bulk_delete: { max_deletes_per_request: 10000, max_failed_deletes: 1000 },
    bulk_upload: { max_containers_per_extraction: CONTAINERS_MAX, max_failed_extractions: FAILURES_MAX },
    dlo: { max_segments: 100000 },
    account_quotas: {},
    container_quotas: {},
    formpost: {
      allowed_digests: urlDigests,
      deprecated_digests: urlDigests.filter((digest) => digest === 'sha1'),
    },
    object_versioning: {},
    versioned_writes: { allowed_flags: ['x-versions-location', 'x-history-location'] },
    symlink: { symloop_max: LINKS_MAX, static_links: true },
    tempurl: {
      methods: TEMP_URL_METHODS,
      incoming_remove_headers: ['x-timestamp'],
      incoming_allow_headers: [],
      outgoing_remove_headers: ['x-object-meta-*'],
      outgoing_allow_headers: ['x-object-meta-public-*'],
      allowed_digests: urlDigests,
      deprecated_digests: urlDigests.filter((digest) => digest === 'sha1'),
    },
    tempauth: { account_acls: true },
    staticweb: {},
    etag_quoter: { enable_by_default: swift.quotedEtags },
    ...configured(swift),
    s3: { region, signatures: ['v4'] },
  };
}

/** Names in upper case, without keys and addresses. */
function realmsOf({ realms, current }: SyncOptions): Readonly<Record<string, unknown>> {
  const shown = [...realms].filter(([, { clusters }]) => clusters.size > 0);
  return Object.fromEntries(
    shown.map(([realm, { clusters }]) => {
      const names = [...clusters.keys()];
      const isCurrent = (name: string): boolean => current?.realm === realm && current.cluster === name;
      return [
        realm,
        { clusters: Object.fromEntries(names.map((name) => [name, isCurrent(name) ? { current: true } : {}])) },
      ];
    }),
  );
}

/** What is there only where the operator wants it. */
function configured(swift: SwiftOptions): Readonly<Record<string, unknown>> {
  const { nameCheck, rates, crossDomainPolicy, storageDomains, cnameDepth, readOnly, defaultResellerPrefix, sync } =
    swift;
  const pairs = (points: readonly RatePoint[]): [number, number][] =>
    points.map(({ objects, perS }) => [objects, perS]);
  return {
    ...(nameCheck && {
      name_check: {
        forbidden_chars: nameCheck.forbiddenChars,
        maximum_length: nameCheck.lengthMax,
        forbidden_regexp: nameCheck.forbiddenPattern,
      },
    }),
    ...(rates && {
      ratelimit: {
        account_ratelimit: rates.account,
        max_sleep_time_seconds: rates.sleepMaxS,
        container_ratelimits: pairs(rates.container),
        container_listing_ratelimits: pairs(rates.listing),
      },
    }),
    ...(crossDomainPolicy !== undefined && { crossdomain: {} }),
    ...(storageDomains.length > 0 && {
      domain_remap: { default_reseller_prefix: defaultResellerPrefix ?? null },
      ...(cnameDepth > 0 && { cname_lookup: { lookup_depth: cnameDepth } }),
    }),
    ...(readOnly && { read_only: {} }),
    ...((sync.realms.size > 0 || sync.allowedHosts.length > 0) && { container_sync: { realms: realmsOf(sync) } }),
  };
}
