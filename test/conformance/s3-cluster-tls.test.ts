// The S3 API as it is shipped, over HTTPS, where SDKs send trailers.
import t from 'tap';
import { s3Conformance } from './s3.ts';
import { start } from './s3-cluster.ts';

s3Conformance(t, start, { isTls: true });
