/** The S3 suite: everything the API promises, against whatever server `start` brings up, over HTTP or HTTPS. */
import type { Test } from 'tap';
import { runAwsCli } from './s3-aws-cli.ts';
import { runBoto3 } from './s3-boto3.ts';
import { buckets } from './s3-buckets.ts';
import { cors } from './s3-cors.ts';
import { errors } from './s3-errors.ts';
import { forms } from './s3-forms.ts';
import { temporaryKeys, users } from './s3-iam.ts';
import { groups, managedPolicies, moreOfUsers } from './s3-iam-groups.ts';
import { roles } from './s3-iam-roles.ts';
import { objects } from './s3-objects.ts';
import { refusals } from './s3-refusals.ts';
import { S3Client, type StartS3, withServer } from './s3-rig.ts';
import { rights } from './s3-rights.ts';
import { selects } from './s3-select.ts';
import { signature2 } from './s3-signature2.ts';
import { tagging } from './s3-tagging.ts';
import { uploads } from './s3-uploads.ts';
import { website } from './s3-website.ts';

/** Real clients take seconds to start. */
const SUITE_MS = 170_000;

/** `realClients`: over the store in memory they would only do again what they do on the cluster. */
export function s3Conformance(t: Test, start: StartS3, { isTls = false, realClients = true } = {}): void {
  t.setTimeout(SUITE_MS);
  withServer(t, { name: 'raw requests', isTls, start }, async (t, target) => {
    const client = new S3Client(target);
    t.teardown(() => client.close());
    for (const [area, suite] of Object.entries({
      objects,
      buckets,
      uploads,
      errors,
      refusals,
      rights,
      tagging,
      cors,
      forms,
      signature2,
      website,
      selects,
      ...(isTls ? {} : { temporaryKeys, users, moreOfUsers, groups, managedPolicies, roles }),
    })) {
      for (const [name, test] of Object.entries(suite)) {
        await t.test(`${area}: ${name}`, async (t) => test({ t, client, bucket: await client.makeBucket() }));
      }
    }
  });
  if (!realClients) return;
  withServer(t, { name: 'boto3', isTls, start }, runBoto3);
  withServer(t, { name: 'aws', isTls, start }, runAwsCli);
}
