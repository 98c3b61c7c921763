// The S3 API over the store in memory, over HTTPS, where SDKs send trailers.
import t from 'tap';
import { s3Conformance } from './s3.ts';
import { start } from './s3-memory.ts';

s3Conformance(t, start, { isTls: true, realClients: false });
