/** Names, metadata and documents that try to become headers, tags or scripts; listings must stay what a parser takes. */
import { createHmac, hash } from 'node:crypto';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { parseXml, type XmlElement } from '../../fabric/xml.ts';
import { answerSoon, codeOf, type NegativeSuite, namesIn } from './negative-rig.ts';
import type { Answer } from './s3-rig.ts';
import type { Answer as SwiftAnswer } from './swift-rig.ts';

/** As keys; each is stored and must come back as it is, wherever it is shown. */
const ODD_NAMES = [
  'a\r\nSet-Cookie: x=1',
  'a\nb',
  'tab\there',
  'quote"here\'too',
  '</Key><Key>injected',
  '<script>alert(1)</script>',
  ']]>',
  '<!-- x',
  '<![CDATA[x',
  '&amp;&lt;&#0;&nope;',
  '{"a":1}',
  '\\u0000\\',
  '\u0001\u001f\u007f',
  '\u0085\u2028\u2029',
  '\ufffd\ufffe\uffff',
  'x\u202etxt.exe',
  '😀 字 é é',
  '%00%0d%0a',
  '../../etc/passwd',
  '__proto__',
  ' ',
  '/',
  '$(id)`id`',
];
/** What XML 1.0 has no way to write; Swift shows a replacement, S3 a reference, as they do. */
const NOT_IN_XML = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;
const EVIL = 'a%0d%0aX-Evil: 1';

const keysOf = (root: XmlElement, each: string, field: string): string[] =>
  root.children
    .filter(({ name }) => name === each)
    .map(({ children }) => children.find(({ name }) => name === field)?.text ?? '');

const BROKEN_LINES: Readonly<Record<string, string>> = {
  CR: 'x-amz-meta-a: b\rX-Evil: 1',
  LF: 'x-amz-meta-a: b\nX-Evil: 1\r\nx-amz-meta-b: c',
  folded: 'x-amz-meta-a: b\r\n X-Evil: 1',
  NUL: 'x-amz-meta-a: b\0c',
  'a blank in the name': 'x-amz-meta-a : b',
  'no colon': 'x-amz-meta-a',
  'a control character in the name': 'x-amz-meta-\x01: b',
};

const hasEvil = ({ headers }: Pick<Answer, 'headers'>): boolean => 'x-evil' in headers || 'set-cookie' in headers;

export const injection: NegativeSuite = {
  'odd names come back as they are, in every listing': async ({ t, s3, swift, bucket }) => {
    for (const name of ODD_NAMES) {
      const put = await s3.ask('PUT', `/${bucket}/${encodeURIComponent(name)}`, { body: 'x' });
      t.equal(put.status, 200, encodeURIComponent(name));
    }
    const expected = [...ODD_NAMES, 'safe'].sort();
    for (const [query, each] of [
      ['', 'Contents'],
      ['list-type=2', 'Contents'],
      ['versions=', 'Version'],
    ] as const) {
      const got = await s3.ask('GET', `/${bucket}`, { query });
      t.same(keysOf(parseXml(got.body), each, 'Key').sort(), expected, `S3 ?${query}`);
      const encoded = await s3.ask('GET', `/${bucket}`, {
        query: `${query === '' ? '' : `${query}&`}encoding-type=url`,
      });
      t.equal(XMLValidator.validate(encoded.text), true);
      const keys = keysOf(parseXml(encoded.body), each, 'Key');
      t.same(keys.map((key) => decodeURIComponent(key.replaceAll('+', ' '))).sort(), expected, `S3 ?${query}, encoded`);
    }
    const json = await swift.ask('GET', `/${bucket}?format=json`);
    t.same((JSON.parse(json.text) as { name: string }[]).map(({ name }) => name).sort(), expected, 'Swift JSON');
    const xml = await swift.ask('GET', `/${bucket}?format=xml`);
    t.notMatch(xml.text, NOT_IN_XML, 'nothing that XML forbids');
    t.notMatch(xml.text, /&#(0|x0|1|x1);/, 'nor references to it');
    const shown = keysOf(parseXml(xml.body), 'object', 'name').sort();
    t.same(shown, expected.map((name) => name.replace(NOT_IN_XML, '\ufffd')).sort(), 'Swift XML');
    for (const delimiter of ['<', '"', '\n', '%']) {
      const some = await s3.ask('GET', `/${bucket}`, { query: `delimiter=${encodeURIComponent(delimiter)}&prefix=` });
      t.equal(parseXml(some.body).name, 'ListBucketResult', `delimiter ${JSON.stringify(delimiter)}`);
      const odd = await swift.ask('GET', `/${bucket}?format=json&delimiter=${encodeURIComponent(delimiter)}`);
      t.ok(Array.isArray(JSON.parse(odd.text)));
    }
    for (const name of ODD_NAMES) {
      const path = `/${bucket}/${encodeURIComponent(name)}`;
      const none = await s3.ask('GET', `${path}.none`);
      t.equal(codeOf(none), '404 NoSuchKey');
      t.equal(XMLValidator.validate(none.text), true, 'the error document is XML');
      t.notOk(hasEvil(none));
      const got = await swift.ask('GET', path);
      t.equal(got.status, 200);
      t.notOk(hasEvil(got as unknown as Answer));
      t.notMatch((await swift.ask('GET', `${path}.none`)).text, /<script>/);
    }
    const objects = ODD_NAMES.map((name) => `<Object><Key>${referenced(name)}</Key></Object>`).join('');
    const body = `<Delete>${objects}</Delete>`;
    const gone = await s3.ask('POST', `/${bucket}`, { query: 'delete', body, headers: { 'content-md5': md5(body) } });
    const told = keysOf(parseXml(gone.body), 'Deleted', 'Key');
    t.same(told.sort(), [...ODD_NAMES].sort(), 'a deletion names each');
  },

  'metadata never becomes a header of its own': async (rig) => {
    const { t, s3, swift, ports, bucket } = rig;
    const end = 'content-length: 0\r\nconnection: close\r\n\r\n';
    const tries = Object.entries(BROKEN_LINES).flatMap(([what, line]) => {
      const s3Head = `PUT /${bucket}/new HTTP/1.1\r\nhost: ${s3.host}\r\n${line}\r\n${end}`;
      const swiftLine = `${line.replace('x-amz-meta', 'x-object-meta')}\r\nx-auth-token: ${swift.token}`;
      const swiftHead = `PUT ${swift.base}/${bucket}/new HTTP/1.1\r\nhost: h\r\n${swiftLine}\r\n${end}`;
      return [
        { what: `S3 ${what}`, port: ports.everything, head: s3Head },
        { what: `S3 ${what}, --s3-port`, port: ports.s3, head: s3Head },
        { what: `Swift ${what}`, port: ports.everything, head: swiftHead },
      ];
    });
    const check = async ({ what, port, head }: (typeof tries)[number]): Promise<void> => {
      const got = await answerSoon(port, head);
      // The S3 listener lets such a connection run into its timeout (docs/http.md).
      t.match(got, port === ports.s3 ? /^$|^HTTP\/1.1 4/ : /^HTTP\/1.1 4/, what);
      t.notMatch(got, /x-evil/i, what);
    };
    await Promise.all(tries.map(check));
    t.same(await namesIn(rig, bucket), ['safe']);
    const word = `=?UTF-8?B?${Buffer.from('b\r\nX-Evil: 1').toString('base64')}?=`;
    await s3.ask('PUT', `/${bucket}/word`, { body: 'x', headers: { 'x-amz-meta-a': word } });
    for (const got of [await s3.ask('GET', `/${bucket}/word`), await swift.ask('GET', `/${bucket}/word`)]) {
      t.notOk(hasEvil(got as Answer), 'an encoded word');
    }
    await s3.ask('DELETE', `/${bucket}/word`);
  },

  'what is said in a path or query never becomes a header': async ({ t, s3, swift, bucket }) => {
    const name = encodeURIComponent('a\r\nX-Evil: 1');
    await swift.ask('PUT', `/${bucket}/${name}`, { body: 'x' });
    const answers: (Answer | SwiftAnswer)[] = [];
    for (const parameter of [
      'response-content-type',
      'response-content-disposition',
      'response-expires',
      'response-cache-control',
    ]) {
      const got = await s3.ask('GET', `/${bucket}/safe`, { query: `${parameter}=${name}` });
      t.equal(codeOf(got), '400 InvalidArgument', parameter);
      answers.push(got);
    }
    answers.push(await swift.ask('COPY', `/${bucket}/${name}`, { headers: { destination: `${bucket}/copy` } }));
    answers.push(await swift.ask('GET', `/${bucket}/copy`));
    answers.push(await swift.ask('PUT', `/${bucket}/link`, { headers: { 'x-symlink-target': `${bucket}/${name}` } }));
    answers.push(await swift.ask('GET', `/${bucket}/link`));
    answers.push(await swift.ask('GET', `/${bucket}/link?symlink=get`));
    answers.push(await swift.ask('GET', `/${bucket}/${name}?multipart-manifest=get`));
    answers.push(await swift.raw('GET', `/v1/${name}/x`, { headers: { 'x-auth-token': swift.token } }));
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-meta-temp-url-key': 'k' } });
    const expires = String(Math.floor(Date.now() / 1000) + 300);
    const sig = createHmac('sha256', 'k')
      .update(`GET\n${expires}\n${swift.base}/${bucket}/a\r\nX-Evil: 1`)
      .digest('hex');
    const url = `/${bucket}/${name}?temp_url_sig=${sig}&temp_url_expires=${expires}`;
    for (const filename of ['', `&filename=${name}`, `&filename=${encodeURIComponent('"; X-Evil="')}&inline`]) {
      const got = await swift.raw('GET', `${swift.base}${url}${filename}`);
      t.equal(got.status, 200, 'a temporary URL');
      t.notMatch(got.headers['content-disposition'], /filename="[^"]*"[^;]/, 'a quote ends no name');
      answers.push(got);
    }
    answers.push(await swift.ask('GET', `/${bucket}/safe`, { headers: { 'x-trans-id-extra': EVIL } }));
    answers.push(await swift.ask('GET', `/${bucket}/safe`, { headers: { origin: EVIL } }));
    answers.push(await s3.ask('GET', `/${bucket}/safe`, { headers: { origin: EVIL } }));
    for (const answer of answers) t.notOk(hasEvil(answer as Answer));
    for (const made of [name, 'copy', 'link?symlink=get']) await swift.ask('DELETE', `/${bucket}/${made}`);
  },

  'documents whose text would become headers are refused': async ({ t, s3, bucket }) => {
    const evil = 'a&#13;&#10;X-Evil: 1';
    const site = (redirect: string): string =>
      `<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect>${redirect}</Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>`;
    const rule = (inner: string): string =>
      `<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>${inner}</CORSRule></CORSConfiguration>`;
    const expiry = (id: string): string =>
      `<LifecycleConfiguration><Rule><ID>${id}</ID><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`;
    for (const [query, body] of [
      ['website', site(`<HostName>${evil}</HostName>`)],
      ['website', site(`<HostName>a.org/${evil}</HostName>`)],
      ['website', site(`<ReplaceKeyWith>${evil}</ReplaceKeyWith>`)],
      ['website', site(`<ReplaceKeyPrefixWith>${evil}</ReplaceKeyPrefixWith>`)],
      ['website', site('<Protocol>javascript</Protocol>')],
      ['cors', rule(`<AllowedOrigin>${evil}</AllowedOrigin>`)],
      ['cors', rule(`<AllowedOrigin>*</AllowedOrigin><ExposeHeader>${evil}</ExposeHeader>`)],
      ['cors', rule(`<AllowedOrigin>*</AllowedOrigin><AllowedHeader>${evil}</AllowedHeader>`)],
      ['lifecycle', expiry(evil)],
      ['lifecycle', expiry('&quot;, x=&quot;')],
    ] as const) {
      const put = await s3.ask('PUT', `/${bucket}`, { query, body, headers: { 'content-md5': md5(body) } });
      t.ok(put.status === 200 || (put.status >= 400 && put.status < 500), `${query}: ${codeOf(put)}`);
      const host = `${bucket}.s3-website.localhost`;
      for (const got of [
        await s3.ask('GET', `/${bucket}/safe`, { headers: { origin: 'https://x' } }),
        await s3.send('GET', '/none', { host }),
        await s3.send('OPTIONS', `/${bucket}/safe`, {
          host: s3.host,
          origin: 'https://x',
          'access-control-request-method': 'GET',
          'access-control-request-headers': EVIL,
        }),
      ]) {
        t.notOk(hasEvil(got), `${query}: ${body}`);
        t.notMatch(got.headers['x-amz-expiration'] ?? '', /rule-id="[^"]*"./, 'a quote ends no rule');
      }
      await s3.ask('DELETE', `/${bucket}`, { query });
    }
  },

  'pages for browsers carry no scripts of others': async ({ t, s3, swift, bucket }) => {
    const script = '<script>alert(1)</script>';
    const name = encodeURIComponent(`${script}"onload="x`);
    await swift.ask('PUT', `/${bucket}/${name}`, { body: 'x' });
    await swift.ask('PUT', `/${bucket}/${name}/deeper`, { body: 'x' });
    const meta = {
      'x-container-meta-web-listings': 'true',
      'x-container-meta-web-listings-css': `"><script>alert(1)</script>`,
      'x-container-meta-web-listings-label': script,
    };
    await swift.ask('POST', `/${bucket}`, { headers: { ...meta, 'x-container-read': '.r:*,.rlistings' } });
    for (const path of ['/', `/${name}/`, `/${name}`, `/none${name}`]) {
      const got = await swift.raw('GET', `${swift.base}/${bucket}${path}`);
      if (/html/.test(got.headers['content-type'] ?? '')) t.notMatch(got.text, '<script>', `Swift ${path}`);
    }
    const website = '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>';
    await s3.ask('PUT', `/${bucket}`, { query: 'website', body: website });
    const site = await s3.send('GET', `/none${name}`, { host: `${bucket}.s3-website.localhost` });
    t.match(site.headers['content-type'], 'html');
    t.notMatch(site.text, '<script>', 'S3 website');
    const parsed: unknown = new XMLParser().parse((await s3.ask('GET', `/${bucket}/none${name}`)).text);
    t.match(parsed, { Error: { Code: 'NoSuchKey' } });
    for (const made of [name, `${name}/deeper`]) await swift.ask('DELETE', `/${bucket}/${made}`);
  },
};

const md5 = (text: string): string => hash('md5', Buffer.from(text), 'base64');

/** Every character as a reference. */
function referenced(text: string): string {
  return [...text].map((character) => `&#${character.codePointAt(0)};`).join('');
}
