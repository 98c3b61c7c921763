// Versions, on the cluster as it is shipped. The store in memory has none: all there is to them is how registers, rows
// and rounds work together.
import t from 'tap';
import { start } from './s3-cluster.ts';
import { S3Client, withServer } from './s3-rig.ts';
import { versions } from './s3-versions.ts';

t.setTimeout(170_000);
withServer(t, { name: 'versions', isTls: false, start }, async (t, target) => {
  const client = new S3Client(target);
  t.teardown(() => client.close());
  for (const [name, test] of Object.entries(versions)) {
    await t.test(name, async (t) => test({ t, client, bucket: await client.makeBucket() }));
  }
});
