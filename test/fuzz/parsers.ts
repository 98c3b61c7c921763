/** Every parser that the fuzzer knows, by name. */
import type { FuzzParser } from './contract.ts';
import { AUTH_PARSERS } from './parsers-auth.ts';
import { IAM_PARSERS } from './parsers-iam.ts';
import { JSON_PARSERS } from './parsers-json.ts';
import { S3_PARSERS } from './parsers-s3.ts';
import { SELECT_PARSERS } from './parsers-select.ts';
import { SWIFT_PARSERS } from './parsers-swift.ts';

export const PARSERS: readonly FuzzParser[] = [
  ...AUTH_PARSERS,
  ...IAM_PARSERS,
  ...S3_PARSERS,
  ...SELECT_PARSERS,
  ...SWIFT_PARSERS,
  ...JSON_PARSERS,
];
