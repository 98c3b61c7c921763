/** SelectObjectContent: documents and their faults, formats both ways, ranges, packed objects, events, and who may ask. */
import { gzipSync } from 'node:zlib';
import { escapeXml } from '../../fabric/xml.ts';
import { decodeMessages } from '../../proxy/s3/select/event-stream-format.ts';
import type { Answer, Rig, S3Client, S3Suite, Sent } from './s3-rig.ts';

export interface Asked {
  readonly sql: string;
  /** Elements within InputSerialization and OutputSerialization. */
  readonly input?: string;
  readonly output?: string;
  /** Further elements. */
  readonly more?: string;
  readonly sent?: Sent;
}

export interface Selected {
  readonly answer: Answer;
  /** The status and code of a refusal, else what the records hold. */
  readonly text: string;
  /** Types of the events in order; of an error its code. */
  readonly events: readonly string[];
  readonly stats: Readonly<Record<string, number>>;
}

export const CSV = '<CSV/>';
export const HEADED = '<CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>';
export const LINES = '<JSON><Type>LINES</Type></JSON>';
export const DOCUMENT = '<JSON><Type>DOCUMENT</Type></JSON>';
export const JSON_OUT = '<JSON/>';
const QUERY = 'select=&select-type=2';

export function documentOf({ sql, input = CSV, output = CSV, more = '' }: Asked): string {
  const expression = `<Expression>${escapeXml(sql)}</Expression><ExpressionType>SQL</ExpressionType>`;
  const formats = `<InputSerialization>${input}</InputSerialization><OutputSerialization>${output}</OutputSerialization>`;
  return `<SelectObjectContentRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${expression}${formats}${more}</SelectObjectContentRequest>`;
}

export async function select(client: S3Client, path: string, asked: Asked): Promise<Selected> {
  return read(await client.ask('POST', path, { query: QUERY, body: documentOf(asked), ...asked.sent }));
}

function read(answer: Answer): Selected {
  if (answer.status !== 200) return { answer, text: `${answer.status} ${answer.code}`, events: [], stats: {} };
  const messages = decodeMessages(answer.body).map(({ headers, payload }) => ({ of: new Map(headers), payload }));
  const events = messages.map(({ of }) => of.get(':event-type') ?? of.get(':error-code') ?? '?');
  const records = messages.filter(({ of }) => of.get(':event-type') === 'Records').map(({ payload }) => payload);
  const stats = messages.find(({ of }) => of.get(':event-type') === 'Stats')?.payload.toString() ?? '';
  const counts = [...stats.matchAll(/<(Bytes\w+)>(\d+)</g)].map(([, name, count]) => [name, Number(count)]);
  return { answer, text: Buffer.concat(records).toString(), events, stats: Object.fromEntries(counts) };
}

const PEOPLE = 'name,age,town\nann,31,Oslo\nbob,9,"Rome, Italy"\ncy,77,\n';
const ANIMALS =
  '{"kind":"cat","legs":4,"tags":["a","b"]}\n{"kind":"hen","legs":2}\n\n{"kind":"eel","legs":0,"wet":true}\n';

const put = (
  client: S3Client,
  path: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<Answer> => client.ask('PUT', path, { body, headers });

/** Made for one test. */
async function object({ client, bucket }: Rig, body: Buffer | string): Promise<string> {
  await put(client, `/${bucket}/o`, body);
  return `/${bucket}/o`;
}

const csv = (...elements: readonly (readonly [name: string, value: string])[]): string =>
  `<CSV>${elements.map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`).join('')}</CSV>`;

export const selects: S3Suite = {
  'rows of CSV': async (rig) => {
    const { t, client } = rig;
    const path = await object(rig, PEOPLE);
    const ask = async (sql: string, input = HEADED, output = CSV): Promise<string> =>
      (await select(client, path, { sql, input, output })).text;
    t.equal(await ask('SELECT * FROM S3Object'), 'ann,31,Oslo\nbob,9,"Rome, Italy"\ncy,77,\n');
    t.equal(await ask('SELECT * FROM S3Object', CSV), PEOPLE);
    t.equal(await ask('SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 30'), 'ann\ncy\n');
    t.equal(
      await ask("SELECT s.name, s.town FROM S3Object s WHERE s.town LIKE '%Italy'", HEADED, JSON_OUT),
      '{"name":"bob","town":"Rome, Italy"}\n',
    );
    t.equal(await ask('SELECT COUNT(*), MAX(CAST(age AS INT)), AVG(CAST(age AS INT)) FROM S3Object'), '3,77,39\n');
    t.equal(await ask('SELECT * FROM S3Object LIMIT 1'), 'ann,31,Oslo\n');
    t.equal(await ask('SELECT * FROM S3Object LIMIT 0'), '');
    t.equal(await ask("SELECT * FROM S3Object s WHERE s.name = 'nobody'"), '');
  },

  'values of JSON': async (rig) => {
    const { t, client } = rig;
    const path = await object(rig, ANIMALS);
    const ask = async (sql: string, input = LINES, output = JSON_OUT): Promise<string> =>
      (await select(client, path, { sql, input, output })).text;
    t.equal(await ask('SELECT * FROM S3Object'), ANIMALS.replace('\n\n', '\n'));
    t.equal(await ask('SELECT s.kind FROM S3Object s WHERE s.legs >= 2', DOCUMENT), '{"kind":"cat"}\n{"kind":"hen"}\n');
    t.equal(await ask('SELECT s.kind FROM S3Object s WHERE s.wet IS MISSING'), '{"kind":"cat"}\n{"kind":"hen"}\n');
    t.equal(await ask('SELECT s.tags[1] AS other FROM S3Object s'), '{"other":"b"}\n{}\n{}\n');
    t.equal(await ask('SELECT t FROM S3Object[*].tags[*] t WHERE t IS NOT MISSING'), '{"t":"a"}\n{"t":"b"}\n');
    t.equal(await ask('SELECT SUM(s.legs) AS legs FROM S3Object s'), '{"legs":6}\n');
    t.equal(await ask('SELECT s.kind, s.wet FROM S3Object s', LINES, CSV), 'cat,\nhen,\neel,true\n');
  },

  'how CSV is written': async (rig) => {
    const { t, client } = rig;
    const cases: readonly (readonly [string, readonly (readonly [string, string])[], string])[] = [
      [
        'a;b|c;d|',
        [
          ['FieldDelimiter', ';'],
          ['RecordDelimiter', '|'],
        ],
        'a,b\nc,d\n',
      ],
      ["'x,y',z\n", [['QuoteCharacter', "'"]], '"x,y",z\n'],
      ['"a ""quoted"" b",c\n', [], '"a ""quoted"" b",c\n'],
      ['"a \\"quoted\\" b",c\n', [['QuoteEscapeCharacter', '\\']], '"a ""quoted"" b",c\n'],
      ['# no row\na,b\r\n\r\nc,d', [], 'a,b\nc,d\n'],
      ['% no row\n#a,b\n', [['Comments', '%']], '#a,b\n'],
      ['a,"b\nc"\nd,e\n', [['AllowQuotedRecordDelimiter', 'TRUE']], 'a,"b\nc"\nd,e\n'],
      ['a,"b\nc"\n', [], '400 CSVEscapingRecordDelimiter'],
      ['a,"b"c\n', [], '400 CSVUnescapedQuote'],
      ['a,"b', [], '400 CSVUnescapedQuote'],
      ['\ufeffa,b\r\n"c","d"\r\n"e"', [], 'a,b\nc,d\ne\n'],
      ['aÄbÄÄc\n', [['FieldDelimiter', 'Ä']], 'a,b,,c\n'],
      [
        '1^2$^3',
        [
          ['RecordDelimiter', '$^'],
          ['FieldDelimiter', ';'],
        ],
        '1^2\n3\n',
      ],
    ];
    for (const [body, format, expected] of cases) {
      const path = await object(rig, body);
      t.equal(
        (await select(client, path, { sql: 'SELECT * FROM S3Object', input: csv(...format) })).text,
        expected,
        body,
      );
    }
    const path = await object(rig, Buffer.from([0x61, 0xff, 0x0a]));
    t.equal((await select(client, path, { sql: 'SELECT * FROM S3Object' })).text, '400 InvalidTextEncoding');
  },

  'how results are written': async (rig) => {
    const { t, client } = rig;
    const path = await object(rig, '{"a":"x;y","b":"it\'s","c":null}\n');
    const ask = async (output: string): Promise<string> =>
      (await select(client, path, { sql: 'SELECT s.a, s.b, s.c, s.d FROM S3Object s', input: LINES, output })).text;
    t.equal(await ask(csv(['FieldDelimiter', ';'], ['RecordDelimiter', '|'])), '"x;y";it\'s;;|');
    t.equal(
      await ask(csv(['QuoteFields', 'ALWAYS'], ['QuoteCharacter', "'"], ['QuoteEscapeCharacter', '\\'])),
      "'x;y','it\\'s','',''\n",
    );
    t.equal(await ask(csv(['QuoteFields', 'asneeded'])), "x;y,it's,,\n");
    t.equal(await ask('<JSON><RecordDelimiter>,</RecordDelimiter></JSON>'), '{"a":"x;y","b":"it\'s","c":null},');
  },

  'packed objects': async (rig) => {
    const { t, client } = rig;
    const packed = gzipSync(PEOPLE.repeat(3));
    const path = await object(rig, packed);
    const sql = "SELECT COUNT(*) FROM S3Object s WHERE s._1 = 'ann'";
    const asGzip = await select(client, path, { sql, input: `<CompressionType>GZIP</CompressionType>${CSV}` });
    t.equal(asGzip.text, '3\n');
    t.same(asGzip.stats, { BytesScanned: packed.length, BytesProcessed: PEOPLE.length * 3, BytesReturned: 2 });
    const asBzip = `<CompressionType>BZIP2</CompressionType>${CSV}`;
    t.equal((await select(client, path, { sql, input: asBzip })).text, '400 InvalidCompressionFormat');
    t.equal((await select(client, path, { sql, input: CSV })).text, '400 InvalidTextEncoding');
    await put(client, path, Buffer.from(BZIPPED, 'base64'));
    t.equal((await select(client, path, { sql: 'SELECT * FROM S3Object', input: asBzip })).text, 'a,b\n1,2\n');
    await put(client, path, packed.subarray(0, -12));
    const cut = await select(client, path, { sql, input: `<CompressionType>GZIP</CompressionType>${CSV}` });
    t.equal(cut.text, '400 TruncatedInput');
  },

  'ranges of a scan': async (rig) => {
    const { t, client } = rig;
    // Offsets 0, 4, 8, 12; é takes two bytes.
    const path = await object(rig, 'n,é\n1é\n2,b\n3,c\n');
    const ask = async (range: string, input = CSV): Promise<string> => {
      const more = `<ScanRange>${range}</ScanRange>`;
      return (await select(client, path, { sql: 'SELECT * FROM S3Object', input, more })).text;
    };
    const between = (start: number, end: number): string => `<Start>${start}</Start><End>${end}</End>`;
    t.equal(await ask(between(0, 4)), 'n,é\n', 'the record at 5 begins behind it');
    t.equal(await ask(between(0, 5)), 'n,é\n1é\n', 'a record that begins in it is read to its end');
    t.equal(await ask(between(5, 5)), '1é\n');
    t.equal(await ask(between(6, 8)), '', 'none begins there');
    t.equal(await ask(between(1, 100)), '1é\n2,b\n3,c\n');
    t.equal(await ask(between(7, 100)), '2,b\n3,c\n', 'in the middle of a character');
    t.equal(await ask('<Start>9</Start>'), '2,b\n3,c\n');
    t.equal(await ask('<End>4</End>'), '3,c\n', 'the last four bytes');
    t.equal(await ask('<Start>9</Start>', HEADED), '2,b\n3,c\n');
    const named = {
      sql: 'SELECT s.n FROM S3Object s',
      input: HEADED,
      more: `<ScanRange>${between(9, 10)}</ScanRange>`,
    };
    t.equal((await select(client, path, named)).text, '2\n', 'names are known all the same');
    t.equal(await ask('<Start>1000</Start>'), '400 InvalidScanRange');
    t.equal(await ask(between(3, 2)), '400 InvalidScanRange');
    t.equal(await ask(''), '400 InvalidScanRange');
    t.equal(await ask('<Start>x</Start>'), '400 InvalidScanRange');
    t.equal(await ask(between(0, 5), DOCUMENT), '400 UnsupportedScanRangeInput');
    t.equal(await ask(between(0, 5), csv(['AllowQuotedRecordDelimiter', 'true'])), '400 UnsupportedScanRangeInput');
    t.equal(await ask(between(0, 5), `<CompressionType>GZIP</CompressionType>${CSV}`), '400 UnsupportedScanRangeInput');
    await put(client, path, ANIMALS);
    const lines = { sql: 'SELECT s.kind FROM S3Object s', input: LINES, output: JSON_OUT };
    t.equal(
      (await select(client, path, { ...lines, more: '<ScanRange><Start>1</Start></ScanRange>' })).text,
      '{"kind":"hen"}\n{"kind":"eel"}\n',
    );
    const parts = await Promise.all(
      [0, 40, 80].map((start) =>
        select(client, path, { ...lines, more: `<ScanRange>${between(start, start + 39)}</ScanRange>` }),
      ),
    );
    t.equal(parts.map(({ text }) => text).join(''), '{"kind":"cat"}\n{"kind":"hen"}\n{"kind":"eel"}\n', 'each once');
  },

  events: async (rig) => {
    const { t, client } = rig;
    const line = `${'x'.repeat(99)}\n`;
    const path = await object(rig, line.repeat(60_000));
    const sql = 'SELECT * FROM S3Object';
    const all = await select(client, path, { sql });
    t.equal(all.text.length, 6_000_000);
    t.equal(all.answer.headers['content-type'], 'application/vnd.amazon.eventstream');
    t.equal(all.events[0], 'Records');
    t.same(all.events.slice(-2), ['Stats', 'End']);
    t.ok(all.events.length > 50, 'sent as it is found');
    t.same(all.stats, { BytesScanned: 6_000_000, BytesProcessed: 6_000_000, BytesReturned: 6_000_000 });
    const progress = '<RequestProgress><Enabled>TRUE</Enabled></RequestProgress>';
    const told = await select(client, path, { sql: 'SELECT COUNT(*) FROM S3Object', more: progress });
    t.equal(told.text, '60000\n');
    t.ok(told.events.includes('Progress'), told.events.join(' '));
    const silent = await select(client, path, { sql: "SELECT * FROM S3Object s WHERE s._1 = 'y'" });
    t.same(silent.events, ['Cont', 'Stats', 'End'], 'the answer begins before something is found');
    const few = await select(client, path, { sql: 'SELECT * FROM S3Object LIMIT 2' });
    t.equal(few.text, line.repeat(2));
    t.ok((few.stats['BytesScanned'] ?? 0) < 3_000_000, 'not read to the end');
    const nothing = await object(rig, '');
    t.same((await select(client, nothing, { sql })).events, ['Stats', 'End']);
  },

  'failures on the way': async (rig) => {
    const { t, client } = rig;
    const good = '{"a":1}\n'.repeat(20_000);
    const path = await object(rig, `${good}{"a":\n`);
    const broken = await select(client, path, { sql: 'SELECT * FROM S3Object', input: LINES, output: JSON_OUT });
    t.equal(broken.events.at(-1), 'JSONParsingError', 'the last message');
    t.ok(broken.text.length > 60_000 && good.startsWith(broken.text), 'what was found before it');
    await put(client, path, `a,b\n1,2\nx,3\n`);
    const cast = await select(client, path, { sql: 'SELECT CAST(_1 AS INT) FROM S3Object', input: HEADED });
    t.equal(cast.text, '400 CastFailed', 'nothing had been sent');
    await put(client, path, `${'x'.repeat(1024 * 1024 + 100)}\n`);
    t.equal((await select(client, path, { sql: 'SELECT * FROM S3Object' })).text, '400 OverMaxRecordSize');
    await put(client, path, `["${'x'.repeat(1024 * 1024 + 100)}"]`);
    const long = { sql: 'SELECT * FROM S3Object', input: DOCUMENT, output: JSON_OUT };
    t.equal((await select(client, path, long)).text, '400 OverMaxRecordSize');
    const items = Array.from({ length: 30_000 }, (_, i) => `{"i":${i},"pad":"${'p'.repeat(60)}"}`);
    await put(client, path, `[${items.join(', ')}]`);
    const last = { ...long, sql: 'SELECT s.i FROM S3Object[*][*] s WHERE s.i > 29998' };
    t.equal((await select(client, path, last)).text, '{"i":29999}\n', 'an array of any size, item by item');
  },

  'what is refused': async (rig) => {
    const { t, client, bucket } = rig;
    const path = await object(rig, PEOPLE);
    const sql = 'SELECT * FROM S3Object';
    const whole = documentOf({ sql });
    const elements = (...names: readonly string[]): string =>
      names.reduce((text, name) => text.replace(new RegExp(`<${name}>.*</${name}>`), ''), whole);
    for (const [body, code] of [
      ['', 'EmptyRequestBody'],
      ['<SelectObjectContentRequest>', 'MalformedXML'],
      ['<Other/>', 'MalformedXML'],
      [whole.replace('<CSV/>', '<CSV><Other/></CSV>'), 'MalformedXML'],
      [elements('Expression'), 'MissingRequiredParameter'],
      [elements('ExpressionType'), 'MissingRequiredParameter'],
      [elements('InputSerialization'), 'MissingRequiredParameter'],
      [elements('OutputSerialization'), 'MissingRequiredParameter'],
      [whole.replace('>SQL<', '>GraphQL<'), 'InvalidExpressionType'],
      [documentOf({ sql: ' ' }), 'MissingRequiredParameter'],
      [documentOf({ sql, input: '' }), 'MissingRequiredParameter'],
      [documentOf({ sql, output: '' }), 'MissingRequiredParameter'],
      [documentOf({ sql, input: CSV + LINES }), 'ObjectSerializationConflict'],
      [documentOf({ sql, output: CSV + JSON_OUT }), 'ObjectSerializationConflict'],
      [documentOf({ sql, input: '<JSON/>' }), 'MissingRequiredParameter'],
      [documentOf({ sql, input: '<JSON><Type>YAML</Type></JSON>' }), 'InvalidJsonType'],
      [documentOf({ sql, input: csv(['FileHeaderInfo', 'MAYBE']) }), 'InvalidFileHeaderInfo'],
      [documentOf({ sql, output: csv(['QuoteFields', 'NEVER']) }), 'InvalidQuoteFields'],
      [documentOf({ sql, input: csv(['FieldDelimiter', ';;']) }), 'InvalidRequestParameter'],
      [documentOf({ sql, input: csv(['RecordDelimiter', 'abc']) }), 'InvalidRequestParameter'],
      [documentOf({ sql, input: csv(['FieldDelimiter', '"']) }), 'InvalidRequestParameter'],
      [documentOf({ sql, input: csv(['AllowQuotedRecordDelimiter', 'yes']) }), 'InvalidRequestParameter'],
      [documentOf({ sql, input: `<CompressionType>ZIP</CompressionType>${CSV}` }), 'InvalidCompressionFormat'],
      [documentOf({ sql, output: '<Parquet/>' }), 'InvalidDataSource'],
      [documentOf({ sql: 'SELECT FOO(1) FROM S3Object' }), 'UnsupportedFunction'],
      [documentOf({ sql: 'SELECT a b c FROM S3Object' }), 'ParseUnexpectedToken'],
      [documentOf({ sql: 'SELECT * FROM S3Object[*].a' }), 'InvalidKeyPath'],
    ] as const) {
      const got = await client.ask('POST', path, { query: QUERY, body });
      t.equal(`${got.status} ${got.code}`, `400 ${code}`, body.slice(60, 400));
    }
    const parquet = await select(client, path, { sql, input: '<Parquet/>' });
    t.equal(parquet.text, '501 NotImplemented');
    t.match(parquet.answer.text, 'Parquet is not implemented');
    const spoken = await select(client, path, { sql: 'SELECT *\nFROM S3Object WHERE a == 1' });
    t.match(spoken.answer.text, 'line 2, column 24');
    const others: readonly (readonly [Sent, string])[] = [
      [{ query: 'select=' }, 'InvalidArgument'],
      [{ query: 'select=&select-type=1' }, 'InvalidArgument'],
      [{ query: `${QUERY}&versionId=null` }, 'InvalidArgument'],
      [{ query: QUERY, headers: { range: 'bytes=0-5' } }, 'UnsupportedRangeHeader'],
    ];
    for (const [sent, code] of others) t.equal((await client.ask('POST', path, { body: whole, ...sent })).code, code);
    t.equal((await select(client, `/${bucket}/none`, { sql })).text, '404 NoSuchKey');
    t.equal((await select(client, '/raw-no-such-bucket/none', { sql })).text, '404 NoSuchBucket');
    t.equal((await client.ask('GET', path, { query: QUERY })).code, 'MethodNotAllowed');
  },

  'who may ask': async (rig) => {
    const { t, client, bucket } = rig;
    const path = await object(rig, PEOPLE);
    const ask = async (user: Sent['user']): Promise<string> =>
      (
        await select(client, path, {
          sql: 'SELECT s.name FROM S3Object s LIMIT 1',
          input: HEADED,
          sent: { user: user as null },
        })
      ).text;
    t.equal(await ask(client.stranger), '403 AccessDenied');
    const allow = (Action: string): Promise<Answer> => {
      const Statement = [{ Effect: 'Allow', Principal: '*', Action, Resource: `arn:aws:s3:::${bucket}/*` }];
      return client.ask('PUT', `/${bucket}`, {
        query: 'policy',
        body: JSON.stringify({ Version: '2012-10-17', Statement }),
      });
    };
    await allow('s3:PutObject');
    t.equal(await ask(client.stranger), '403 AccessDenied');
    await allow('s3:GetObject');
    t.equal(await ask(client.stranger), 'ann\n');
    t.equal((await client.ask('GET', path, { user: null })).status, 200);
    t.equal(await ask(null), '403 AccessDenied', 'never without a name');
  },
};

/** `a,b\n1,2\n` */
const BZIPPED = 'QlpoOTFBWSZTWb+HQH8AAANZAAAQAAQwADAAIAAwwAhpsogjJ4u5IpwoSF/DoD+A';
