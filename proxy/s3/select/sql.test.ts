// Expressions on rows: what the SQL reference of S3 Select says, example by example, and what is no expression.
import t from 'tap';
import { isFault } from '../../../fabric/errors.ts';
import { CsvInput } from './csv-input.ts';
import { JsonDocument } from './json-input.ts';
import { createWriter } from './output.ts';
import { createPlan } from './plan.ts';
import type { CsvFormat } from './request.ts';
import { parseQuery } from './sql-parser.ts';

const NOW_MS = Date.UTC(2017, 9, 13, 16, 2, 11, 123);
const CSV: CsvFormat = {
  ...{ kind: 'csv', header: 'USE', fieldDelimiter: ',', recordDelimiter: undefined, quote: '"', escapedBy: '"' },
  ...{ comment: '#', allowsQuotedRecordDelimiter: false },
};

/** The result's lines, or the code of what is wrong. */
function ask(
  sql: string,
  data: string,
  format: 'json' | Partial<CsvFormat> = 'json',
  out: 'json' | 'csv' = 'json',
): string[] {
  try {
    const query = parseQuery(sql);
    const shape = { recordDelimiter: '\n' };
    const csv = { quotes: 'ASNEEDED', fieldDelimiter: ',', quote: '"', escapedBy: '"', ...shape } as const;
    const writer = createWriter(out === 'json' ? { kind: 'json', ...shape } : { kind: 'csv', ...csv });
    const parts = { writer, world: { nowMs: NOW_MS } };
    const run = (): void => {
      if (format === 'json') feed(new JsonDocument(query));
      else feed(new CsvInput({ ...CSV, ...format }, { alias: query.alias }));
    };
    const feed = <Row>(input: JsonDocument | CsvInput): void => {
      const plan = createPlan<Row>(query, { ...parts, input: input as never });
      for (const rows of [() => input.push(Buffer.from(data)), () => input.end()]) {
        for (const row of rows()) if (!plan.isDone) plan.add(row as Row);
      }
      plan.finish();
    };
    run();
    return writer.take().toString().split('\n').slice(0, -1);
  } catch (error) {
    if (!isFault(error)) throw error;
    return [error.code];
  }
}

/** One value of one expression; `out` as JSON has it. */
const value = (sql: string, data = '{}'): string => {
  const [line = ''] = ask(`SELECT ${sql} AS v FROM S3Object s`, data);
  return line.startsWith('{"v":') ? line.slice(5, -1) : line;
};

const EXAMPLES: Readonly<Record<string, readonly (readonly [sql: string, is: string])[]>> = {
  strings: [
    ["CHAR_LENGTH('')", '0'],
    ["CHAR_LENGTH('abcdefg')", '7'],
    ["CHARACTER_LENGTH('漢😀')", '2'],
    ["LOWER('AbCdEfG!@#$')", '"abcdefg!@#$"'],
    ["UPPER('AbCdEfG!@#$')", '"ABCDEFG!@#$"'],
    ["SUBSTRING('123456789', 0)", '"123456789"'],
    ["SUBSTRING('123456789', 1)", '"123456789"'],
    ["SUBSTRING('123456789', 2)", '"23456789"'],
    ["SUBSTRING('123456789', -4)", '"123456789"'],
    ["SUBSTRING('123456789', 0, 999)", '"123456789"'],
    ["SUBSTRING('123456789', 1, 5)", '"12345"'],
    ["SUBSTRING('123456789', -1, 4)", '"12"'],
    ["SUBSTRING('123456789', -5, 2)", '""'],
    ["SUBSTRING('123456789' FROM 3 FOR 2)", '"34"'],
    ["SUBSTRING('123456789' FROM 8)", '"89"'],
    ["TRIM('       foobar         ')", '"foobar"'],
    ["TRIM('      \tfoobar\t         ')", '"\\tfoobar\\t"'],
    ["TRIM(LEADING FROM '       foobar         ')", '"foobar         "'],
    ["TRIM(TRAILING FROM '       foobar         ')", '"       foobar"'],
    ["TRIM(BOTH FROM '       foobar         ')", '"foobar"'],
    ["TRIM(BOTH '12' FROM '1112211foobar22211122')", '"foobar"'],
    ["TRIM(BOTH CASE WHEN true THEN 'x' END FROM 'xax')", '"a"'],
    ["'a' || 'b' || 1", '"ab1"'],
    ["'it''s'", '"it\'s"'],
  ],
  conditions: [
    ['COALESCE(1)', '1'],
    ['COALESCE(null)', 'null'],
    ['COALESCE(missing, missing)', 'null'],
    ['COALESCE(1, null)', '1'],
    ['COALESCE(null, null, 1)', '1'],
    ["COALESCE(null, 'string')", '"string"'],
    ['COALESCE(missing, 1)', '1'],
    ['NULLIF(1, 1)', 'null'],
    ['NULLIF(1, 2)', '1'],
    ['NULLIF(1.0, 1)', 'null'],
    ["NULLIF(1, '1')", '1'],
    ['NULLIF(1, NULL)', '1'],
    ['NULLIF(NULL, 1)', 'null'],
    ['NULLIF(missing, null)', 'null'],
    ["CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END", '"b"'],
    ["CASE WHEN 1 > 2 THEN 'a' ELSE 'c' END", '"c"'],
    ["CASE WHEN null THEN 'a' END", 'null'],
    ["CASE CASE 1 WHEN 1 THEN 5 END WHEN CASE 2 WHEN 2 THEN 5 END THEN 'x' WHEN 6 THEN 'y' END", '"x"'],
  ],
  logic: [
    ['true AND null', 'null'],
    ['false AND null', 'false'],
    ['true OR null', 'true'],
    ['false OR null', 'null'],
    ['NOT null', 'null'],
    ['NOT true = false', 'true'],
    ['1 = 1 AND NOT 1 = 2 OR 1 = 3', 'true'],
    ['null = null', 'null'],
    ['null IS NULL', 'true'],
    ['missing IS NULL', 'true'],
    ['null IS MISSING', 'false'],
    ['missing IS MISSING', 'true'],
    ['1 IS NOT MISSING', 'true'],
    ['1 IS NOT NULL', 'true'],
    ['5 BETWEEN 1 AND 5', 'true'],
    ['6 BETWEEN 1 AND 5', 'false'],
    ['6 NOT BETWEEN 1 AND 5', 'true'],
    ['(1 BETWEEN 0 AND 2) BETWEEN true AND true', 'true'],
    ['null BETWEEN 1 AND 5', 'null'],
    ["'b' IN ('a', 'b')", 'true'],
    ["'c' NOT IN ('a', 'b')", 'true'],
    ['2 IN (1, 2.0, 3)', 'true'],
    ['-2 IN (1, -2)', 'true'],
    ["2 IN ('2')", 'true'],
    ["'2.0' IN (2, 3)", 'true'],
    ['2 IN (1, null)', 'null'],
    ['2 IN (1 + 1, 7)', 'true'],
    ['1 < 2 AND 2 <= 2 AND 3 > 2 AND 3 >= 3 AND 1 <> 2 AND 1 != 2', 'true'],
    ["'a' < 'b'", 'true'],
    ["'10' > 9", 'true'],
    ["9 < '10'", 'true'],
    ["'x' > 9", 'null'],
    ["'x' = 9", 'false'],
    ["'x' <> 9", 'true'],
    ["'TRUE' = true", 'true'],
  ],
  patterns: [
    ["'abc' LIKE 'a%'", 'true'],
    ["'abc' LIKE '%c'", 'true'],
    ["'abc' LIKE '%b%'", 'true'],
    ["'abc' LIKE 'a_c'", 'true'],
    ["'a😀c' LIKE 'a_c'", 'true'],
    ["'abc' LIKE 'b%'", 'false'],
    ["'abc' NOT LIKE 'b%'", 'true'],
    ["'aXbXXc' LIKE 'a%X_c'", 'true'],
    ["'10%' LIKE '10!%' ESCAPE '!'", 'true'],
    ["'100' LIKE '10!%' ESCAPE '!'", 'false'],
    ["'a_b' NOT LIKE 'a\\_b' ESCAPE '\\'", 'false'],
    ["'a' LIKE null", 'null'],
    ["'' LIKE '%'", 'true'],
    ["'' LIKE ''", 'true'],
    ["'a.c' LIKE 'a.c' AND 'abc' NOT LIKE 'a.c'", 'true'],
  ],
  numbers: [
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['-5 % 3', '-2'],
    ['7 / 2', '3'],
    ['7 / 2.0', '3.5'],
    ['1 / 3.0', '0.33333333333333333333333333333333333333'],
    ['0.1 + 0.2', '0.3'],
    ['0.10 * 3', '0.30'],
    ['5 - -3', '8'],
    ['1e3 + 1', '1001'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807 + 1', 'IntegerOverflow'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['1 / 0', 'ExternalEvalException'],
    ["'4' * '2.5'", '10.0'],
    ["'x' + 1", 'CastFailed'],
    ['1 + null', 'null'],
    ['CAST(0.1 AS FLOAT) + CAST(0.2 AS FLOAT)', '0.30000000000000004'],
  ],
  casts: [
    ["CAST('12' AS INT)", '12'],
    ["CAST(' -12 ' AS INTEGER)", '-12'],
    ["CAST('1.5' AS INT)", 'CastFailed'],
    ['CAST(1.9 AS INT)', '1'],
    ["CAST('1.50' AS DECIMAL)", '1.50'],
    ["CAST('1.50' AS NUMERIC)", '1.50'],
    ["CAST('1.50' AS FLOAT)", '1.5'],
    ['CAST(0.456 AS FLOAT)', '0.456'],
    ["CAST('' AS INT)", 'CastFailed'],
    ["CAST('true' AS BOOL)", 'true'],
    ["CAST('x' AS BOOL)", 'CastFailed'],
    ['CAST(0 AS BOOL)', 'false'],
    ['CAST(true AS INT)', '1'],
    ['CAST(12.50 AS STRING)', '"12.50"'],
    ['CAST(null AS INT)', 'null'],
    ["CAST('2007-04-05T14:30Z' AS TIMESTAMP)", '"2007-04-05T14:30Z"'],
    ["CAST('2007-02-30' AS TIMESTAMP)", 'CastFailed'],
    ["CAST('1e999999' AS DECIMAL)", 'CastFailed'],
    ["CAST('1e9999' AS DECIMAL)", 'NumberFormatError'],
    ['CAST(1 AS BLOB)', 'InvalidDataType'],
  ],
  times: [
    ['DATE_ADD(year, 5, `2010-01-01T`)', '"2015-01-01"'],
    ['DATE_ADD(month, 1, `2010T`)', '"2010-02T"'],
    ['DATE_ADD(month, 13, `2010T`)', '"2011-02T"'],
    ['DATE_ADD(day, -1, `2017-01-10T`)', '"2017-01-09"'],
    ['DATE_ADD(hour, 1, `2017T`)', '"2017-01-01T01:00-00:00"'],
    ['DATE_ADD(hour, 1, `2017-01-02T03:04Z`)', '"2017-01-02T04:04Z"'],
    ['DATE_ADD(minute, 1, `2017-01-02T03:04:05.006Z`)', '"2017-01-02T03:05:05.006Z"'],
    ['DATE_ADD(second, 1, `2017-01-02T03:04:05.006Z`)', '"2017-01-02T03:04:06.006Z"'],
    ['DATE_ADD(month, 1, `2017-01-31T`)', '"2017-02-28"'],
    ['DATE_ADD(month, -1, `2016-03-31T10:00+02:00`)', '"2016-02-29T10:00+02:00"'],
    ['DATE_ADD(year, 90000, `2017T`)', 'IntegerOverflow'],
    ['DATE_DIFF(year, `2010-01-01T`, `2011-01-01T`)', '1'],
    ['DATE_DIFF(month, `2010T`, `2010-05T`)', '4'],
    ['DATE_DIFF(month, `2010T`, `2011T`)', '12'],
    ['DATE_DIFF(month, `2011T`, `2010T`)', '-12'],
    ['DATE_DIFF(day, `2010-01-01T23:00`, `2010-01-02T01:00`)', '0'],
    ['DATE_DIFF(hour, `2010-01-01T23:00Z`, `2010-01-02T01:00Z`)', '2'],
    ['EXTRACT(YEAR FROM `2010-01-01T`)', '2010'],
    ['EXTRACT(MONTH FROM `2010T`)', '1'],
    ['EXTRACT(MONTH FROM `2010-10T`)', '10'],
    ['EXTRACT(HOUR FROM `2017-01-02T03:04:05+07:08`)', '3'],
    ['EXTRACT(MINUTE FROM `2017-01-02T03:04:05+07:08`)', '4'],
    ['EXTRACT(TIMEZONE_HOUR FROM `2017-01-02T03:04:05+07:08`)', '7'],
    ['EXTRACT(TIMEZONE_MINUTE FROM `2017-01-02T03:04:05+07:08`)', '8'],
    ["TO_TIMESTAMP('2007T')", '"2007T"'],
    ["TO_TIMESTAMP('2007-02-23T12:14:33.079-08:00')", '"2007-02-23T12:14:33.079-08:00"'],
    ["TO_TIMESTAMP('2007')", 'ValueParseFailure'],
    ['UTCNOW()', '"2017-10-13T16:02:11.123Z"'],
    ['UTCNOW() > `2017T`', 'true'],
    ['`2017-01-01T00:00Z` = `2017-01-01T01:00+01:00`', 'true'],
    ["TO_STRING(`1969-07-20T20:18Z`,  'MMMM d, y')", '"July 20, 1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MMM d, yyyy')", '"Jul 20, 1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'M-d-yy')", '"7-20-69"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MM-d-y')", '"07-20-1969"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y h:m a')", '"July 20, 1969 8:18 PM"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'y-MM-dd''T''H:m:ssX')", '"1969-07-20T20:18:00Z"'],
    ["TO_STRING(`1969-07-20T20:18+08:00`, 'y-MM-dd''T''H:m:ssXXXX')", '"1969-07-20T20:18:00+0800"'],
    ["TO_STRING(`1969-07-20T20:18+08:00`, 'y-MM-dd''T''H:m:ssXXXXX')", '"1969-07-20T20:18:00+08:00"'],
    ["TO_STRING(`1969-07-20T20:18:01.5Z`, 'SSS n')", '"500 500000000"'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'yyy')", 'EvaluatorInvalidTimestampFormatPatternToken'],
    ["TO_STRING(`1969-07-20T20:18Z`, 'Q')", 'EvaluatorInvalidTimestampFormatPatternSymbol'],
    ["TO_STRING(`1969-07-20T20:18Z`, '''x')", 'EvaluatorUnterminatedTimestampFormatPatternToken'],
  ],
};

for (const [area, examples] of Object.entries(EXAMPLES)) {
  t.test(area, async (t) => {
    for (const [sql, is] of examples) t.equal(value(sql), is, sql);
  });
}

t.test('what is no expression', async (t) => {
  for (const [sql, code] of [
    ['', 'ParseUnexpectedToken'],
    ['INSERT INTO S3Object VALUES (1)', 'UnsupportedSqlOperation'],
    ['SELECT FROM S3Object', 'ParseEmptySelect'],
    ['SELECT *', 'ParseSelectMissingFrom'],
    ['SELECT 1', 'ParseSelectMissingFrom'],
    ['SELECT * FROM S3Object WHERE', 'ParseExpectedExpression'],
    ['SELECT * FROM S3Object WHERE a =', 'ParseExpectedExpression'],
    ['SELECT * FROM S3Object WHERE a = = 1', 'ParseUnexpectedOperator'],
    ['SELECT * FROM S3Object WHERE a b', 'ParseUnexpectedToken'],
    ['SELECT * FROM S3Object WHERE AND', 'ParseUnExpectedKeyword'],
    ['SELECT s.CAST FROM S3Object s', 'ParseUnExpectedKeyword'],
    ['SELECT year FROM S3Object', 'ParseUnExpectedKeyword'],
    ['SELECT a, * FROM S3Object', 'ParseAsteriskIsNotAloneInSelectList'],
    ['SELECT a.* FROM S3Object s', 'ParseInvalidContextForWildcardInSelectList'],
    ['SELECT s.a.* FROM S3Object s', 'ParseInvalidContextForWildcardInSelectList'],
    ['SELECT * FROM S3Object s WHERE s.a[*] = 1', 'ParseInvalidContextForWildcardInSelectList'],
    ['SELECT * FROM foo', 'InvalidTableAlias'],
    ['SELECT * FROM S3Object.a', 'InvalidKeyPath'],
    ['SELECT * FROM S3Object a, S3Object b', 'MultipleDataSourcesUnsupported'],
    ['SELECT * FROM S3Object a JOIN S3Object b', 'ParseMalformedJoin'],
    ['SELECT * FROM S3Object GROUP BY a', 'ParseExpectedIdentForGroupName'],
    ['SELECT * FROM S3Object ORDER BY a', 'UnsupportedSyntax'],
    ['SELECT DISTINCT a FROM S3Object', 'UnsupportedSyntax'],
    ['SELECT * FROM S3Object WHERE a IN (SELECT b FROM S3Object)', 'UnsupportedSqlStructure'],
    ['SELECT * FROM S3Object LIMIT', 'ParseExpectedNumber'],
    ['SELECT * FROM S3Object LIMIT -1', 'EvaluatorNegativeLimit'],
    ['SELECT * FROM S3Object LIMIT 1 LIMIT 2', 'ParseUnExpectedKeyword'],
    ['SELECT * FROM S3Object LIMIT 5 x', 'ParseUnexpectedToken'],
    ['SELECT FOO(a) FROM S3Object', 'UnsupportedFunction'],
    ['SELECT "lower"(a) FROM S3Object', 'ParseUnexpectedToken'],
    ['SELECT LOWER() FROM S3Object', 'EvaluatorInvalidArguments'],
    ['SELECT LOWER(*) FROM S3Object', 'ParseUnsupportedCallWithStar'],
    ['SELECT LOWER(1) FROM S3Object', 'IncorrectSqlFunctionArgumentType'],
    ['SELECT SUM(*) FROM S3Object', 'ParseUnsupportedCallWithStar'],
    ['SELECT SUM(a, b) FROM S3Object', 'ParseNonUnaryAgregateFunctionCall'],
    ['SELECT a, SUM(b) FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT SUM(MAX(b)) FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT a FROM S3Object WHERE SUM(b) > 1', 'UnsupportedSqlStructure'],
    ['SELECT CAST FROM S3Object', 'ParseExpectedLeftParenAfterCast'],
    ['SELECT CAST(a AS) FROM S3Object', 'ParseExpectedTypeName'],
    ['SELECT DATE_ADD(week, 1, a) FROM S3Object', 'ParseExpectedDatePart'],
    ['SELECT a FROM S3Object WHERE a LIKE 1', 'LikeInvalidInputs'],
    ["SELECT a FROM S3Object WHERE 'a' LIKE 'a!' ESCAPE '!'", 'EvaluatorLikePatternInvalidEscapeSequence'],
    ["SELECT a FROM S3Object WHERE 'a' LIKE 'a' ESCAPE 'ab'", 'EvaluatorLikePatternInvalidEscapeSequence'],
    ["SELECT 'a FROM S3Object", 'LexerInvalidLiteral'],
    ['SELECT `x` FROM S3Object', 'LexerInvalidIONLiteral'],
    ['SELECT a ; FROM S3Object', 'LexerInvalidChar'],
    ['SELECT a AS 5 FROM S3Object', 'ParseExpectedIdentForAlias'],
    ['SELECT s[1.5] FROM S3Object s', 'ParseInvalidPathComponent'],
    ['SELECT a IS TRUE FROM S3Object', 'ParseUnexpectedToken'],
    [`SELECT ${'('.repeat(200)}1${')'.repeat(200)} FROM S3Object`, 'MaxOperatorsExceeded'],
    [`SELECT ${'CASE WHEN '.repeat(200)}1 FROM S3Object`, 'MaxOperatorsExceeded'],
    [`SELECT * FROM S3Object WHERE ${'a = 1 OR '.repeat(2000)} a = 2`, 'MaxOperatorsExceeded'],
    [`SELECT '${'x'.repeat(256 * 1024)}' FROM S3Object`, 'ExpressionTooLong'],
  ] as const) {
    t.same(ask(sql, '{"a":1}'), [code], sql.slice(0, 100));
  }
});

t.test('a long list costs nothing', async (t) => {
  const list = Array.from({ length: 20_000 }, (_, i) => `'k${i}'`).join(', ');
  t.same(ask(`SELECT a FROM S3Object WHERE a IN (${list})`, '{"a":"k19999"}{"a":"k20000"}'), ['{"a":"k19999"}']);
});

t.test('columns of CSV', async (t) => {
  const data = 'id,Name,"with space",NAME\n1,ann,x,A\n2,bob,y,B\n3,cy,,C\n';
  const csv = (sql: string, header: CsvFormat['header'] = 'USE'): string[] => ask(sql, data, { header });
  t.same(csv('SELECT * FROM S3Object LIMIT 1'), ['{"id":"1","Name":"ann","with space":"x","NAME":"A"}']);
  t.same(csv('SELECT * FROM S3Object LIMIT 1', 'NONE'), ['{"_1":"id","_2":"Name","_3":"with space","_4":"NAME"}']);
  t.same(csv('SELECT * FROM S3Object LIMIT 1', 'IGNORE'), ['{"_1":"1","_2":"ann","_3":"x","_4":"A"}']);
  t.same(csv('SELECT s.ID, s."with space" AS w FROM s3object s WHERE s._1 > 1'), [
    '{"ID":"2","w":"y"}',
    '{"ID":"3","w":""}',
  ]);
  t.same(csv('SELECT s."Name", "NAME" FROM S3Object s LIMIT 1'), ['{"Name":"ann","NAME":"A"}']);
  t.same(csv('SELECT s.name FROM S3Object s'), ['AmbiguousFieldName']);
  t.same(csv('SELECT s."name" FROM S3Object s'), ['MissingHeaderName']);
  t.same(csv('SELECT s.nobody FROM S3Object s'), ['MissingHeaderName']);
  t.same(csv('SELECT s.name FROM S3Object s', 'NONE'), ['EvaluatorBindingDoesNotExist']);
  t.same(csv('SELECT _0 FROM S3Object s'), ['InvalidColumnIndex']);
  t.same(csv('SELECT x.id FROM S3Object s'), ['InvalidTableAlias']);
  t.same(csv('SELECT s.id.x FROM S3Object s'), ['InvalidKeyPath']);
  t.same(csv('SELECT _9 FROM S3Object s LIMIT 1'), ['{}'], 'beyond the row: missing');
  t.same(csv('SELECT COUNT(*) AS n, SUM(CAST(id AS INT)) AS s, AVG(id) a, MIN("NAME"), MAX("Name") FROM S3Object'), [
    '{"n":3,"s":6,"a":2,"_4":"A","_5":"cy"}',
  ]);
  t.same(csv('SELECT SUM(CAST(id AS INT)) / COUNT(*) FROM S3Object WHERE id <> 3'), ['{"_1":1}']);
  t.same(csv('SELECT SUM(CAST(id AS INT)), COUNT(id), AVG(id) FROM S3Object WHERE id > 9'), [
    '{"_1":null,"_2":0,"_3":null}',
  ]);
  t.same(csv('SELECT COUNT(*) FROM S3Object LIMIT 0'), []);
  t.same(csv('SELECT S3Object._2 FROM S3Object LIMIT 1'), ['{"_2":"ann"}']);
});

t.test('paths of JSON', async (t) => {
  const rules =
    '{ "Rules": [ {"id": "1"}, {"expr": "y > x"}, {"id": "2", "expr": "z = DEBUG"} ]}\n{ "created": "June 27" }';
  t.same(ask('SELECT id FROM S3Object[*].Rules[*].id', rules), ['{"id":"1"}', '{}', '{"id":"2"}', '{}']);
  t.same(ask('SELECT id FROM S3Object[*].Rules[*].id WHERE id IS NOT MISSING', rules), ['{"id":"1"}', '{"id":"2"}']);
  t.same(ask('SELECT COUNT(id) n FROM S3Object[*].Rules[*].id', rules), ['{"n":2}']);
  t.same(ask('SELECT COUNT(*) n FROM S3Object[*].Rules[*]', rules), ['{"n":3}'], 'aggregates skip what is missing');
  const long = `{"a":"${'\\\\x'.repeat(300_000)}","b":1234567890123456789}`;
  t.same(ask('SELECT CHAR_LENGTH(s.a) AS n, s.b FROM S3Object s', long), ['{"n":600000,"b":1234567890123456789}']);
  const files = '{"dir_name":"a","files":[{"name":"."},{"name":".."}],"owner":"AWS S3"}';
  t.same(ask('SELECT d.dir_name, d.files FROM S3Object[*] d', files), [
    '{"dir_name":"a","files":[{"name":"."},{"name":".."}]}',
  ]);
  t.same(ask('SELECT _1.dir_name, _1.owner FROM S3Object[*]', files), ['{"dir_name":"a","owner":"AWS S3"}']);
  t.same(ask('SELECT _1.name FROM S3Object[*].files[*]', files), ['{"name":"."}', '{"name":".."}']);
  t.same(ask("SELECT s['dir_name'], s.files[1].name, s.FILES[7] FROM S3Object s", files), [
    '{"dir_name":"a","name":".."}',
  ]);
  t.same(ask('SELECT * FROM S3Object[*].files[0].name', files), ['{"_1":"."}']);
  t.same(ask('SELECT * FROM S3Object[*].*', '{"a":1,"b":{"c":2}}'), ['{"_1":1}', '{"c":2}']);
  t.same(ask('SELECT * FROM S3Object[*][*]', ' [ {"a":"]}"} , [1] ,2, "x" ] [] 7 {"b":1}'), [
    ...['{"a":"]}"}', '{"_1":[1]}', '{"_1":2}', '{"_1":"x"}'],
    ...['{}', '{}', '{}'],
  ]);
  t.same(ask('SELECT s.a FROM S3Object s', '{"a":1,"A":2}'), ['AmbiguousFieldName']);
  t.same(ask('SELECT s."A" FROM S3Object s', '{"a":1,"A":2}'), ['{"A":2}']);
  t.same(ask('SELECT s.a = true, s.b IS NULL, s.b IS MISSING, s.c IS NULL FROM S3Object s', '{"a":true,"b":null}'), [
    '{"_1":true,"_2":true,"_3":false,"_4":true}',
  ]);
  const precise = '{"big":12345678901234567890,"exact":1.10,"tiny":1e-7,"n":[9007199254740993]}';
  t.same(ask('SELECT * FROM S3Object', precise), [
    '{"big":12345678901234567890,"exact":1.10,"tiny":1e-7,"n":[9007199254740993]}',
  ]);
  t.same(ask('SELECT s.big + 1 AS b, s.exact * 2 AS e FROM S3Object s', precise), [
    '{"b":12345678901234567891,"e":2.20}',
  ]);
  for (const bad of ['{"a":1', '{"a":1}]', '{a:1}', '[1,', '"x', '{"a":01}', '}']) {
    t.same(ask('SELECT * FROM S3Object s', bad), ['JSONParsingError'], bad);
  }
  t.same(ask('SELECT * FROM S3Object s', `${'['.repeat(5000)}${']'.repeat(5000)}`), ['JSONParsingError']);
  t.same(ask('SELECT * FROM S3Object s', '{"a":1e9999}'), ['NumberFormatError']);
});

t.test('results', async (t) => {
  const data = '{"a":"x,\\"y\\"","b":null,"c":[1,"é"],"d":true,"e":1.5}';
  t.same(ask('SELECT * FROM S3Object', data, 'json', 'csv'), ['"x,""y""",,"[1,""é""]",true,1.5']);
  t.same(ask('SELECT s.nothing, s.b, s.d FROM S3Object s', data, 'json', 'csv'), [',,true']);
  t.same(ask('SELECT s.b, s.nothing AS x, s.d FROM S3Object s', data), ['{"b":null,"d":true}']);
});
