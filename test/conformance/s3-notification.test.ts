// Notifications, on the cluster as it is shipped: their rows are not for the store in memory. One listener serves both APIs.
import t from 'tap';
import { openBoth } from './both-rig.ts';
import {
  afterAnOutage,
  documents,
  filtered,
  ofBothApis,
  ofVersions,
  Receiver,
  SECRET,
  setAll,
} from './s3-notification.ts';

t.setTimeout(120_000);

t.test('notifications', async (t) => {
  const hook = await Receiver.open(t);
  const config = `notification-takeover-s = 0
[notification.hook]
url = "${hook.url}"
authorization = "Bearer me"
secret = "${SECRET}"
`;
  const both = await openBoth(t, undefined, config);
  await t.test('the document', (t) => documents(t, both));
  await t.test('what a webhook hears of both APIs', (t) => ofBothApis(t, both, hook));
  await t.test('of versions', (t) => ofVersions(t, both, hook));
  await t.test('by prefix and suffix', (t) => filtered(t, both, hook));
  await t.test('after an outage', (t) => afterAnOutage(t, both, hook));
  await t.test('after a restart', async (t) => {
    const bucket = await both.client.makeBucket();
    await setAll(both.client, bucket);
    hook.isDown = true;
    hook.refused = 0;
    t.equal((await both.client.ask('PUT', `/${bucket}/kept`, { body: 'kept' })).status, 200);
    await both.close();
    hook.isDown = false;
    t.same(hook.said(bucket), []);
    await openBoth(t, both.data, config);
    t.same(await hook.wait(bucket, 1), ['ObjectCreated:Put kept']);
    t.match(
      hook.heard.find((each) => each.bucket === bucket),
      { size: 4 },
    );
  });
});
