/** Bounds of a query. https://docs.aws.amazon.com/AmazonS3/latest/userguide/selecting-content-from-objects.html */

/** Of a record, read or returned. */
export const RECORD_BYTES_MAX = 1024 * 1024;
/** What is parsed at a time. */
export const SLICE_BYTES = 64 * 1024;
