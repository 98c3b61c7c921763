/** X-Versions-Location and X-History-Location: what is overwritten goes to another container. */
import type { Rig, SwiftClient, SwiftSuite } from './swift-rig.ts';

async function make(
  { client, c }: Pick<Rig, 'client' | 'c'>,
  header: string,
): Promise<[path: string, archive: string]> {
  const archive = `${c}-archive`;
  await client.ask('PUT', archive);
  await client.ask('PUT', `${c}-kept`, { headers: { [header]: archive.slice(1) } });
  return [`${c}-kept`, archive];
}

async function names(client: SwiftClient, path: string): Promise<string[]> {
  return (await client.ask('GET', path)).text.split('\n').filter((name) => name !== '');
}

export const archived: SwiftSuite = {
  'a stack: a delete brings the one before back': async ({ t, client, c }) => {
    const [path, archive] = await make({ client, c }, 'X-Versions-Location');
    t.equal((await client.ask('HEAD', path)).headers['x-versions-location'], archive.slice(1));
    for (const body of ['one', 'two', 'three']) {
      t.equal((await client.ask('PUT', `${path}/n%C3%A9`, { body, headers: { 'X-Object-Meta-N': body } })).status, 201);
    }
    const kept = await names(client, archive);
    t.equal(kept.length, 2);
    t.match(kept[0], /^003né\/\d{10}\.\d{5}$/, 'length in bytes, name, time');
    t.equal((await client.ask('GET', `${archive}/${encodeURIComponent(kept[0] ?? '')}`)).text, 'one');
    for (const body of ['two', 'one']) {
      t.equal((await client.ask('DELETE', `${path}/n%C3%A9`)).status, 204);
      const back = await client.ask('GET', `${path}/n%C3%A9`);
      t.match([back.text, back.headers['x-object-meta-n']], [body, body]);
    }
    t.same(await names(client, archive), []);
    t.equal((await client.ask('DELETE', `${path}/n%C3%A9`)).status, 204);
    t.equal((await client.ask('DELETE', `${path}/n%C3%A9`)).status, 404);
    const large = Buffer.alloc(100_000, 'x');
    await client.ask('PUT', `${path}/o`, { body: large });
    await client.ask('PUT', `${path}/o`, { body: 'small' });
    await client.ask('DELETE', `${path}/o`);
    t.same((await client.ask('GET', `${path}/o`)).body, large, 'bytes of their own too');
  },

  'a history: a delete leaves a trace': async ({ t, client, c }) => {
    const [path, archive] = await make({ client, c }, 'X-History-Location');
    t.equal((await client.ask('HEAD', path)).headers['x-history-location'], archive.slice(1));
    await client.ask('PUT', `${path}/o`, { body: 'one' });
    await client.ask('PUT', `${path}/o`, { body: 'two' });
    t.equal((await client.ask('DELETE', `${path}/o`)).status, 204);
    t.equal((await client.ask('GET', `${path}/o`)).status, 404);
    const listed = JSON.parse((await client.ask('GET', `${archive}?format=json&prefix=001o/`)).text) as {
      content_type: string;
      bytes: number;
    }[];
    t.match(listed, [{ bytes: 3 }, { bytes: 3 }, { content_type: 'application/x-deleted;swift_versions_deleted=1' }]);
    t.equal((await client.ask('DELETE', `${path}/o`)).status, 404, 'nothing there, but it is noted');
    t.equal((await names(client, archive)).length, 4);
    await client.ask('POST', path, { headers: { 'X-Versions-Location': archive.slice(1) } });
    t.equal((await client.ask('HEAD', path)).headers['x-history-location'], undefined, 'one takes the other’s place');
    t.equal((await client.ask('DELETE', `${path}/o`)).status, 204, 'only the second marker goes');
    t.equal((await names(client, archive)).length, 3);
    t.equal((await client.ask('DELETE', `${path}/o`)).status, 204, 'a marker goes, and what was before it is back');
    t.equal((await client.ask('GET', `${path}/o`)).text, 'two');
  },

  'manifests and copies are kept as what they are': async ({ t, client, c }) => {
    const [path, archive] = await make({ client, c }, 'X-Versions-Location');
    await client.ask('PUT', `${c}/s`, { body: 'segment' });
    const manifest = JSON.stringify([{ path: `${c}/s` }]);
    await client.ask('PUT', `${path}/o?multipart-manifest=put`, { body: manifest });
    await client.ask('PUT', `${c}/other`, { body: 'other' });
    t.equal((await client.ask('COPY', `${c}/other`, { headers: { Destination: `${path}/o` } })).status, 201);
    const [kept = ''] = await names(client, archive);
    const large = await client.ask('GET', `${archive}/${kept}`);
    t.match([large.text, large.headers['x-static-large-object']], ['segment', 'True']);
    await client.ask('DELETE', `${path}/o`);
    t.equal((await client.ask('GET', `${path}/o`)).headers['x-static-large-object'], 'True');
  },

  'what stands in the way': async ({ t, client, c }) => {
    const both = { 'X-Versions-Location': 'a', 'X-History-Location': 'b' };
    t.equal((await client.ask('POST', c, { headers: both })).status, 400);
    t.equal((await client.ask('POST', c, { headers: { 'X-Versions-Location': 'a/b' } })).status, 412);
    t.equal((await client.ask('POST', c, { headers: { 'X-Versions-Location': 'not%20there' } })).status, 204);
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'one' })).status, 201, 'nothing to be kept yet');
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'two' })).status, 412, 'nowhere to keep it');
    t.equal((await client.ask('GET', `${c}/o`)).text, 'one');
    t.equal((await client.ask('POST', c, { headers: { 'X-Versions-Enabled': 'true' } })).status, 400);
    t.equal((await client.ask('POST', c, { headers: { 'X-Remove-Versions-Location': 'x' } })).status, 204);
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'two' })).status, 201);
  },

  'nothing is lost between writers at the same moment': async ({ t, client, c }) => {
    const [path, archive] = await make({ client, c }, 'X-Versions-Location');
    const bodies = Array.from({ length: 8 }, (_, i) => `body ${i}`);
    const answers = await Promise.all(bodies.map((body) => client.ask('PUT', `${path}/o`, { body })));
    const stored = bodies.filter((_, i) => answers[i]?.status === 201);
    const found = [(await client.ask('GET', `${path}/o`)).text];
    for (const name of await names(client, archive)) {
      found.push((await client.ask('GET', `${archive}/${name}`)).text);
    }
    for (const body of stored) t.ok(found.includes(body), body);
  },
};
