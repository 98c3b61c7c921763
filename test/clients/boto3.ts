/** boto3: its steps are functions in boto3_steps.py, run one a process by a Python that has it. */
import { fileURLToPath } from 'node:url';
import { findPython, missingPython } from '../tools.ts';
import { awsEnv } from './aws.ts';
import { run, versionFrom } from './command.ts';
import type { RealClient, Step } from './contract.ts';

/** Beside the source: the compiler does not copy it. */
const SCRIPT = fileURLToPath(new URL('../../../test/clients/boto3_steps.py', import.meta.url));

const STEPS = {
  'upload_fileobj, download_fileobj in parts': 'transfers',
  'put_object with trailers': 'trailers',
  paginator: 'pages',
  'presigned URLs': 'presigned',
  'presigned POST': 'presigned_post',
  select_object_content: 'select',
  'resource API, copy, delete': 'resources',
} as const;

const step =
  (name: string): Step =>
  async (place) => {
    const env = { ...awsEnv(place), S3_ENDPOINT: place.s3Endpoint, BUCKET: place.tag };
    await run(place, [findPython('boto3') as string, SCRIPT, name], { env });
  };

export const boto3: RealClient = {
  name: 'boto3',
  apis: ['s3'],
  missing: () => missingPython('boto3'),
  version: () => versionFrom(findPython('boto3') ?? 'python3', '-c', 'import boto3; print(boto3.__version__)'),
  steps: Object.fromEntries(Object.entries(STEPS).map(([title, name]) => [title, step(name)])),
};
