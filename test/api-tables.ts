/**
 * The tables of docs/api-s3.md and docs/api-swift.md, made from what the code dispatches by: a row for each operation,
 * header and error. `fill` puts them between the marks of a document.
 */
import { ACTIONS } from '../proxy/iam/actions.ts';
import { CODES } from '../proxy/s3/errors.ts';
import * as s3 from '../proxy/s3/operations.ts';
import { AMZ_HEADERS, CONDITIONS, STORED } from '../proxy/s3/request-headers.ts';
import { reasonOf, STATUS } from '../proxy/swift/errors.ts';
import * as swift from '../proxy/swift/operations.ts';
import { REFUSED_HEADERS, REFUSED_PARAMETERS, type RefusedName } from '../proxy/swift/request-rules.ts';

type Row = readonly string[];

export const S3_TABLES: Readonly<Record<string, () => string>> = {
  operations: s3Operations,
  'query-actions': queryActions,
  'amz-headers': s3AmzHeaders,
  headers: s3Headers,
  errors: s3Errors,
};

export const SWIFT_TABLES: Readonly<Record<string, () => string>> = {
  operations: swiftOperations,
  refused: swiftRefused,
  errors: swiftErrors,
};

/** `text` with every `<!-- table: name -->` … `<!-- end -->` filled anew. Throws when a table has no place or a place no table. */
export function fill(text: string, tables: Readonly<Record<string, () => string>>): string {
  const used = new Set<string>();
  const filled = text.replace(/<!-- table: (\S+) -->\n[\s\S]*?<!-- end -->/g, (_, name: string) => {
    const make = tables[name];
    if (make === undefined) throw new Error(`no table is called ${name}`);
    used.add(name);
    return `<!-- table: ${name} -->\n${make()}\n<!-- end -->`;
  });
  const missing = Object.keys(tables).filter((name) => !used.has(name));
  if (missing.length > 0) throw new Error(`no place for ${missing.join(', ')}`);
  return filled;
}

export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export const code = (text: string): string => `\`${text}\``;

function refusalOf(name: keyof typeof CODES): string {
  return `${CODES[name][0]} ${code(name)}`;
}

function s3Operations(): string {
  const rows = s3.OPERATIONS.map((row) => {
    const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[row.target];
    const copy = row.copies === true ? ' with x-amz-copy-source' : '';
    const wire = code(`${row.method} ${path}${row.sub === '' ? '' : `?${row.sub}`}`) + copy;
    const answer = row.run === undefined ? refusalOf(row.refusal ?? 'NotImplemented') : 'supported';
    return [row.name, wire, answer, row.note];
  });
  return table(['operation', 'request', 'answer', 'notes'], rows);
}

function queryActions(): string {
  const rows = ACTIONS.map(({ service, name, takes, run, note }) => {
    const answer = run === undefined ? `501 ${code('NotImplemented')}` : 'supported';
    return [service, name, answer, takes.map(code).join(', '), note];
  });
  return table(['service', 'action', 'answer', 'parameters', 'notes'], rows);
}

function s3AmzHeaders(): string {
  const rows = AMZ_HEADERS.map(({ name, refusal, takes, note }) => {
    const values = (takes ?? []).map((value) => (value === '' ? 'empty' : code(value))).join(', ');
    if (refusal === undefined) return [code(name), 'supported', note];
    return [code(name), takes === undefined ? refusalOf(refusal) : `${values}; else ${refusalOf(refusal)}`, note];
  });
  return table(['header', 'answer', 'notes'], rows);
}

function s3Headers(): string {
  const using = (holds: (row: s3.OperationRow) => boolean): string =>
    s3.OPERATIONS.filter(holds)
      .map((row) => row.name)
      .join(', ');
  const stored = STORED.map((name) => [code(name), `stored by ${using((row) => row.stores === true)}`]);
  const reads = using((row) => row.conditions === 'read');
  const writes = using((row) => row.conditions === 'write');
  const conditions = CONDITIONS.map((name) => {
    const isWrite = name === 'if-match' || name === 'if-none-match';
    const onWrites = isWrite ? `decides over ${writes}; ` : '';
    return [code(name), `${reads}; ${onWrites}other PUT, POST and DELETE: ${refusalOf('NotImplemented')}`];
  });
  return table(
    ['header', 'what becomes of it'],
    [
      ...stored,
      ...conditions,
      [code('range'), `${using((row) => row.ranges === true)}: one range; ${refusalOf('InvalidRange')}`],
      [code('if-range'), `${using((row) => row.ranges === true)}: the whole object where it does not match`],
      [code('content-md5'), `compared: ${refusalOf('BadDigest')}, ${refusalOf('InvalidDigest')}`],
      [code('content-length'), `required of uploads: ${refusalOf('MissingContentLength')}`],
      [code('content-range'), refusalOf('NotImplemented')],
    ],
  );
}

function s3Errors(): string {
  const rows = Object.entries(CODES).map(([name, [status, message]]) => [code(name), String(status), message]);
  return table(['code', 'status', 'message'], rows);
}

const SWIFT_PATHS: Readonly<Record<swift.Target, string>> = {
  info: '/info',
  healthcheck: '/healthcheck',
  crossdomain: '/crossdomain.xml',
  auth: '/auth/v1.0',
  account: '/v1/{account}',
  container: '/v1/{account}/{container}',
  object: '/v1/{account}/{container}/{object}',
};

function swiftOperations(): string {
  const rows = swift.OPERATIONS.map(({ method, target, variant, status, note }) => {
    const query = variant === '' || variant === 'x-copy-from' ? '' : `?${variant}`;
    const header = variant === 'x-copy-from' ? ' with X-Copy-From' : '';
    return [code(`${method} ${SWIFT_PATHS[target]}${query}`) + header, status, note];
  });
  return table(['request', 'status', 'notes'], rows);
}

function swiftRefused(): string {
  const row = ({ name, target, methods, status, what, text }: RefusedName, kind: string): Row => [
    code(kind === 'parameter' ? `?${name}` : name),
    `${target} ${methods.join(', ')}`,
    String(status),
    text === undefined ? `${what}: not built` : `${what}: as in Swift`,
  ];
  return table(
    ['header or parameter', 'of', 'status', 'asks for'],
    [
      ...REFUSED_HEADERS.map((rule) => row(rule, 'header')),
      ...REFUSED_PARAMETERS.map((rule) => row(rule, 'parameter')),
    ],
  );
}

function swiftErrors(): string {
  const byStatus = new Map<number, string[]>();
  for (const [fault, status] of Object.entries(STATUS)) {
    byStatus.set(status, [...(byStatus.get(status) ?? []), code(fault.replace(/^Swift/, ''))]);
  }
  const rows = [...byStatus].sort(([a], [b]) => a - b);
  return table(
    ['status', 'reason', 'faults'],
    rows.map(([status, faults]) => [String(status), reasonOf(status), [...new Set(faults)].join(', ')]),
  );
}
