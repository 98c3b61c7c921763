// What the cluster alone can do, as it is shipped: object lock. The store in memory has no versions to lock.
import t from 'tap';
import { start } from './s3-cluster.ts';
import { locks } from './s3-locks.ts';
import { S3Client, withServer } from './s3-rig.ts';

t.setTimeout(120_000);
withServer(t, { name: 'object lock', isTls: false, start }, async (t, target) => {
  const client = new S3Client(target);
  t.teardown(() => client.close());
  for (const [name, test] of Object.entries(locks)) {
    await t.test(name, async (t) => test({ t, client, bucket: await client.makeBucket() }));
  }
});
