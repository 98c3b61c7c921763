/** With which digests signed URLs and forms may be signed, where the cluster's operator allows them. */
export const URL_DIGESTS = ['sha1', 'sha256', 'sha512'] as const;
export type UrlDigest = (typeof URL_DIGESTS)[number];
