// Lifecycle, on the cluster as it is shipped, with days of two seconds. The deeds run side by side: they mostly wait.
import t from 'tap';
import { openBoth } from './both-rig.ts';
import { DAY_SECONDS, deeds, documents } from './s3-lifecycle.ts';

t.setTimeout(120_000);

t.test('lifecycle', async (t) => {
  const { client } = await openBoth(t, undefined, `s3-lifecycle-day-seconds = ${DAY_SECONDS}\n`);
  const all = Object.entries({ ...documents, ...deeds });
  t.jobs = all.length;
  await Promise.all(
    all.map(([name, test]) =>
      t.test(name, { buffered: true }, async (t) => test({ t, client, bucket: await client.makeBucket() })),
    ),
  );
});
