// The S3 API over the store in memory, over plain HTTP.
import t from 'tap';
import { s3Conformance } from './s3.ts';
import { start } from './s3-memory.ts';

s3Conformance(t, start, { realClients: false });
