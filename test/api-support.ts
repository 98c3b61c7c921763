/**
 * The table of docs/api-support.md: a row for every operation and header of all APIs, made from what the code dispatches by;
 * supported, supported with limits, or refused, with the error and the reason; and the test that shows it.
 */

import type { Cinder } from '../block/cinder/cinder.ts';
import { cinderRoutes } from '../block/cinder/routes.ts';
import { identityRoutes } from '../compute/identity/routes.ts';
import type { Identity } from '../compute/identity/service-state.ts';
import type { Route } from '../control/service/types.ts';
import { ACTIONS } from '../proxy/iam/actions.ts';
import { CODES } from '../proxy/s3/errors.ts';
import * as s3 from '../proxy/s3/operations.ts';
import { AMZ_HEADERS, type HeaderRule } from '../proxy/s3/request-headers.ts';
import * as swift from '../proxy/swift/operations.ts';
import { REFUSED_HEADERS, REFUSED_PARAMETERS } from '../proxy/swift/request-rules.ts';
import { code, table } from './api-tables.ts';
import { SHOWN, type Shown } from './support-tests.ts';
import { SWIFT_NAMES } from './swift-names.ts';

export interface SupportRow {
  /** What support-tests.ts matches. */
  readonly key: string;
  readonly name: string;
  readonly request: string;
  /** `supported`, `with limits`, or the error. */
  readonly answer: string;
  /** Limits, or why it is refused. */
  readonly note: string;
}

/** Why S3 operations are not built, by name. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Session|RenameObject/, 'directory buckets are another service'],
  [/Analytics|Inventory|Metrics|IntelligentTiering|Metadata/, 'reports and tiers of the vendor’s own console'],
  [/Replication/, 'one cluster keeps three copies in five zones; there is no second one to copy to'],
  [/Abac/, 'policies know tags of objects, not of buckets'],
  [/Torrent/, 'gone at AWS as well'],
  [/UpdateObjectEncryption/, 'a copy onto itself does it'],
];

const refusalOf = (name: keyof typeof CODES): string => `${CODES[name][0]} ${code(name)}`;

export function s3Rows(): SupportRow[] {
  return s3.OPERATIONS.map(({ name, target, method, sub, copies, run, refusal, note }) => {
    const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[target];
    const request = `${method} ${path}${sub === '' ? '' : `?${sub}`}${copies ? ' + x-amz-copy-source' : ''}`;
    const key = `s3 ${name}`;
    if (run === undefined) {
      const reason = REASONS.find(([names]) => names.test(name))?.[1];
      return { key, name, request, answer: refusalOf(refusal ?? 'NotImplemented'), note: reason ?? note };
    }
    return { key, name, request, answer: note === '' ? 'supported' : 'supported, see notes', note };
  });
}

export function s3HeaderRows(): SupportRow[] {
  return AMZ_HEADERS.map((rule) => {
    const { name, note } = rule;
    return { key: `s3-header ${name}`, name: code(name), request: '', answer: headerAnswer(rule), note };
  });
}

export function queryRows(): SupportRow[] {
  return ACTIONS.map(({ service, name, takes, run, note }) => ({
    key: `query ${name}`,
    name,
    request: `POST / ${service}: ${['Action', ...takes].join(', ')}`,
    answer: run === undefined ? `501 ${code('NotImplemented')}` : 'supported',
    note,
  }));
}

function headerAnswer({ name, refusal, takes = [] }: HeaderRule): string {
  if (refusal === undefined) return 'supported';
  const values = takes.map((value) => (value === '' ? 'empty' : code(value))).join(', ');
  const isAcl = name === 'x-amz-acl' || name.startsWith('x-amz-grant-');
  const isObeyed = isAcl || s3.OPERATIONS.some(({ obeys }) => obeys?.includes(name));
  if (isObeyed)
    return `supported where the notes say; elsewhere ${values === '' ? '' : `${values}, else `}${refusalOf(refusal)}`;
  return values === '' ? refusalOf(refusal) : `${values}; else ${refusalOf(refusal)}`;
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

export function swiftRows(): SupportRow[] {
  const built = swift.OPERATIONS.map(({ method, target, variant, status, note }): SupportRow => {
    const words = `${method} ${target}${variant === '' ? '' : ` ${variant}`}`;
    const query = variant === '' || variant === 'x-copy-from' ? '' : `?${variant}`;
    const header = variant === 'x-copy-from' ? ' + X-Copy-From' : '';
    const request = `${method} ${SWIFT_PATHS[target]}${query}${header}`;
    const answer = status === '403' ? '403' : `supported: ${status}`;
    return { key: `swift ${words}`, name: words, request, answer, note };
  });
  const refused = [...REFUSED_HEADERS, ...REFUSED_PARAMETERS.map((rule) => ({ ...rule, name: `?${rule.name}` }))];
  return [
    ...built,
    ...refused.map(({ name, target, methods, status, what, text }): SupportRow => {
      const note = text === undefined ? `${what}: not built` : `${what}: as in Swift`;
      return {
        key: `swift-refused ${name} ${target}`,
        name: code(name),
        request: `${methods.join(', ')} ${target}`,
        answer: String(status),
        note,
      };
    }),
  ];
}

export function swiftNameRows(): SupportRow[] {
  return SWIFT_NAMES.map(({ name, where, note, shown }) => {
    const key = `swift-name ${name} ${shown.join(': ')}`;
    return { key, name: code(name), request: where, answer: 'supported', note };
  });
}

/** What services have routes for in order to refuse it says so in its note. */
const REFUSED_ROUTE = /^refused, (\d{3}): (.*)$/;

function routeRow(service: string, { name, method, path, head, status, note = '' }: Route): SupportRow {
  const [, code = '', why = ''] = REFUSED_ROUTE.exec(note) ?? [];
  const answer = code === '' ? `supported: ${status ?? (method === 'DELETE' ? 204 : 200)}` : code;
  const key = `${service}${code === '' ? '' : '-refused'} ${name}`;
  return { key, name, request: `${method} ${path}${head ? ', HEAD' : ''}`, answer, note: code === '' ? note : why };
}

/** Routes are declared without touching what they are about. */
export const keystoneRows = (): SupportRow[] => identityRoutes({} as Identity).map((one) => routeRow('keystone', one));
export const cinderRows = (): SupportRow[] => cinderRoutes({} as Cinder).map((one) => routeRow('cinder', one));

export const shownBy = ({ key }: SupportRow): Shown | undefined => SHOWN.find(({ rows }) => rows.test(key));

export const ALL_ROWS = (): SupportRow[] => [
  ...s3Rows(),
  ...s3HeaderRows(),
  ...queryRows(),
  ...swiftRows(),
  ...swiftNameRows(),
  ...keystoneRows(),
  ...cinderRows(),
];

function render(rows: readonly SupportRow[], head: string): string {
  const hasRequest = rows.some(({ request }) => request !== '');
  const lines = rows.map((row) => {
    const found = shownBy(row);
    const test = found ? `[${found.test}](../${found.file})` : '';
    return [row.name, ...(hasRequest ? [code(row.request)] : []), row.answer, row.note, test];
  });
  return table([head, ...(hasRequest ? ['request'] : []), 'answer', 'notes', 'shown by'], lines);
}

function counts(): string {
  const lines = (
    [
      ['S3 operations', s3Rows()],
      ['S3 headers', s3HeaderRows()],
      ['STS and IAM', queryRows()],
      ['Swift operations', swiftRows()],
      ['Swift headers and parameters', swiftNameRows()],
      ['Keystone', keystoneRows()],
      ['Cinder', cinderRows()],
    ] as const
  ).map(([name, rows]) => {
    const refused = rows.filter(({ answer }) => /^[45]\d\d/.test(answer)).length;
    return [name, String(rows.length), String(rows.length - refused), String(refused)];
  });
  return table(['API', 'rows', 'supported', 'refused'], lines);
}

export const SUPPORT_TABLES: Readonly<Record<string, () => string>> = {
  counts,
  s3: () => render(s3Rows(), 'operation'),
  's3-headers': () => render(s3HeaderRows(), 'header'),
  query: () => render(queryRows(), 'action'),
  swift: () => render(swiftRows(), 'operation'),
  'swift-names': () => render(swiftNameRows(), 'header or parameter'),
  keystone: () => render(keystoneRows(), 'operation'),
  cinder: () => render(cinderRows(), 'operation'),
};
