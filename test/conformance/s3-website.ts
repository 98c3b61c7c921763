/** Buckets as websites: the configuration, and what a visitor is shown under the website's host name. */
import type { Answer, Rig, S3Suite } from './s3-rig.ts';

const document = (inner: string): string =>
  `<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</WebsiteConfiguration>`;
const INDEX = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>';
const ERROR = '<ErrorDocument><Key>error.html</Key></ErrorDocument>';
const rules = (...inner: readonly string[]): string =>
  `<RoutingRules>${inner.map((each) => `<RoutingRule>${each}</RoutingRule>`).join('')}</RoutingRules>`;

const put = ({ client, bucket }: Rig, inner: string): Promise<Answer> =>
  client.ask('PUT', `/${bucket}`, { query: 'website', body: document(inner) });

async function publish({ client, bucket }: Rig): Promise<void> {
  const allow = { Effect: 'Allow', Principal: '*' };
  const Statement = [
    { ...allow, Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` },
    { ...allow, Action: 's3:ListBucket', Resource: `arn:aws:s3:::${bucket}` },
  ];
  await client.ask('PUT', `/${bucket}`, { query: 'policy', body: JSON.stringify({ Statement }) });
}

/** As a visitor: "status text", or "status location". */
async function visit(rig: Rig, path: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await look(rig, path, headers);
  return `${answer.status} ${answer.headers['location'] ?? answer.text}`;
}

const look = (
  { client, bucket }: Rig,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> => client.send(method, path, { host: `${bucket}.s3-website.localhost`, ...headers });

export const website: S3Suite = {
  'the configuration': async (rig) => {
    const { t, client, bucket } = rig;
    const get = (): Promise<Answer> => client.ask('GET', `/${bucket}`, { query: 'website' });
    t.equal((await get()).code, 'NoSuchWebsiteConfiguration');
    const redirect =
      '<Redirect><Protocol>https</Protocol><HostName>a.org</HostName><ReplaceKeyPrefixWith>b/</ReplaceKeyPrefixWith><HttpRedirectCode>307</HttpRedirectCode></Redirect>';
    const condition =
      '<Condition><KeyPrefixEquals>a/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>';
    for (const inner of [
      INDEX,
      INDEX + ERROR,
      INDEX + ERROR + rules(condition + redirect, '<Redirect><ReplaceKeyWith>k</ReplaceKeyWith></Redirect>'),
      '<RedirectAllRequestsTo><HostName>a.org</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>',
    ]) {
      t.equal((await put(rig, inner)).status, 200, inner);
      t.match((await get()).text, document(inner));
    }
    const all = '<RedirectAllRequestsTo><HostName>a.org</HostName></RedirectAllRequestsTo>';
    for (const [code, inner] of [
      ['InvalidArgument', ''],
      ['InvalidArgument', ERROR],
      ['InvalidArgument', '<IndexDocument><Suffix></Suffix></IndexDocument>'],
      ['InvalidArgument', '<IndexDocument><Suffix>a/b</Suffix></IndexDocument>'],
      ['MalformedXML', '<IndexDocument/>'],
      ['MalformedXML', `${INDEX}<Other/>`],
      ['MalformedXML', `${INDEX}${rules()}`],
      ['MalformedXML', `${INDEX}${rules('<Redirect/>')}`],
      ['MalformedXML', `${INDEX}${rules(condition)}`],
      ['InvalidRequest', all + INDEX],
      ['InvalidRequest', all.replace('a.org', 'a b')],
      ['InvalidRequest', all.replace('</HostName>', '</HostName><Protocol>ftp</Protocol>')],
      ['InvalidRequest', `${INDEX}${rules(`<Condition/>${redirect}`)}`],
      ['InvalidRequest', `${INDEX}${rules(redirect.replace('307', '200'))}`],
      ['InvalidRequest', `${INDEX}${rules(condition.replace('404', '200') + redirect)}`],
      [
        'InvalidRequest',
        `${INDEX}${rules('<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>')}`,
      ],
      ['InvalidRequest', `${INDEX}${rules(...Array.from({ length: 51 }, () => redirect))}`],
    ] as const) {
      t.equal((await put(rig, inner)).code, code, inner.slice(0, 200));
    }
    t.equal(
      (await client.ask('PUT', `/${bucket}`, { query: 'website', body: document(INDEX), user: client.stranger })).code,
      'AccessDenied',
    );
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'website' })).status, 204);
    t.equal((await get()).code, 'NoSuchWebsiteConfiguration');
  },

  pages: async (rig) => {
    const { t, client, bucket } = rig;
    const upload = (key: string, body: string, headers: Record<string, string> = {}): Promise<Answer> =>
      client.ask('PUT', `/${bucket}/${key}`, { body, headers: { 'content-type': 'text/html', ...headers } });
    await upload('index.html', 'home');
    await upload('dir/index.html', 'in dir');
    await upload('a%20b', 'plain');
    t.match(await visit(rig, '/'), '404 <html>');
    t.match(await visit(rig, '/'), 'NoSuchWebsiteConfiguration');
    await put(rig, INDEX);
    t.match(await visit(rig, '/'), /^403 <html>.*<li>Code: AccessDenied<\/li>/s, 'not public');
    await publish(rig);
    t.equal(await visit(rig, '/'), '200 home');
    t.equal((await look(rig, '/')).headers['content-type'], 'text/html');
    t.equal(await visit(rig, '/?acl&versionId=1'), '200 home', 'parameters mean nothing');
    t.equal(await visit(rig, '/dir/'), '200 in dir');
    t.equal(await visit(rig, '/dir'), '302 /dir/');
    t.equal(await visit(rig, '/a%20b', { range: 'bytes=1-2' }), '206 la');
    const etag = (await look(rig, '/')).headers['etag'] as string;
    t.equal(await visit(rig, '/', { 'if-none-match': etag }), '304 ');
    t.match(await visit(rig, '/none%3Cx'), '404 <html>');
    t.match(await visit(rig, '/none%3Cx'), '<li>Key: none&lt;x</li>');
    t.equal((await look(rig, '/none')).headers['x-amz-error-code'], 'NoSuchKey');
    for (const method of ['PUT', 'POST', 'DELETE']) t.equal((await look(rig, '/a', {}, method)).status, 405, method);
    const head = await look(rig, '/', {}, 'HEAD');
    t.equal(`${head.status} ${head.headers['content-length']} ${head.text}`, '200 4 ');
    await upload('error.html', 'sorry');
    await put(rig, INDEX + ERROR);
    t.equal(await visit(rig, '/none', { range: 'bytes=0-1' }), '404 sorry');
    t.equal(await visit(rig, '/dir'), '302 /dir/');
    await upload('moved', 'x', { 'x-amz-website-redirect-location': 'http://a.org/x' });
    t.equal(await visit(rig, '/moved'), '301 http://a.org/x');
    t.equal((await client.ask('GET', `/${bucket}/moved`)).status, 200, 'not where it is no website');
    const cors =
      '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>';
    await client.ask('PUT', `/${bucket}`, { query: 'cors', body: cors });
    t.equal((await look(rig, '/', { origin: 'http://o' })).headers['access-control-allow-origin'], '*');
    const asking = { origin: 'http://o', 'access-control-request-method': 'GET' };
    t.equal((await look(rig, '/', asking, 'OPTIONS')).headers['access-control-allow-origin'], '*');
  },

  redirects: async (rig) => {
    const { t, client, bucket } = rig;
    await publish(rig);
    const scheme = client.isTls ? 'https' : 'http';
    const here = `${scheme}://${bucket}.s3-website.localhost`;
    await put(rig, '<RedirectAllRequestsTo><HostName>a.org</HostName></RedirectAllRequestsTo>');
    t.equal(await visit(rig, '/x/y%20z'), `301 ${scheme}://a.org/x/y%20z`);
    await client.ask('PUT', `/${bucket}/old/there`, { body: 'x' });
    await put(
      rig,
      INDEX +
        rules(
          '<Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect>',
          '<Condition><KeyPrefixEquals>one</KeyPrefixEquals></Condition><Redirect><ReplaceKeyWith>two words</ReplaceKeyWith><HttpRedirectCode>307</HttpRedirectCode></Redirect>',
          '<Condition><KeyPrefixEquals>old/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><Protocol>https</Protocol><HostName>new.org</HostName><ReplaceKeyPrefixWith/></Redirect>',
        ),
    );
    t.equal(await visit(rig, '/docs/a'), `301 ${here}/documents/a`);
    t.equal(await visit(rig, '/one/more'), `307 ${here}/two%20words`);
    t.equal(await visit(rig, '/old/gone'), '301 https://new.org/gone');
    t.equal(await visit(rig, '/old/there'), '200 x', 'what is there is shown');
    t.equal(await visit(rig, '/docs/a%0D%0AX-Evil:1'), `301 ${here}/documents/a%0D%0AX-Evil%3A1`);
  },
};
