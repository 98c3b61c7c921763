/**
 * Headers and parameters that ask for something this API does not do. They are refused before anything is done, because
 * a client that believes its versions, quotas or ranges are kept loses data when they are not. A feature that arrives
 * takes its line out. docs/api-swift.md is written from these tables.
 */
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import type { Target } from './operations.ts';

export interface RefusedName {
  /** Lower-case; with `*` at the end a whole family. */
  readonly name: string;
  readonly target: Target;
  /** Methods on which it would matter. */
  readonly methods: readonly string[];
  /** Of the answer. */
  readonly status: 400 | 412;
  readonly what: string;
  /** Shown to the client. */
  readonly text?: string;
}

const WRITES = ['PUT', 'POST'] as const;

export const REFUSED_HEADERS: readonly RefusedName[] = [
  {
    name: 'x-symlink-target',
    target: 'object',
    methods: ['POST'],
    status: 400,
    what: 'making a link of what is there',
    text: 'A PUT request is required to set a symlink target',
  },
  {
    name: 'x-account-quota-*',
    target: 'account',
    methods: WRITES,
    status: 400,
    what: 'a quota of one storage policy (`X-Account-Meta-Quota-Bytes` is of all)',
  },
  { name: 'content-range', target: 'object', methods: WRITES, status: 400, what: 'writing a part of an object' },
];

export const REFUSED_PARAMETERS: readonly RefusedName[] = [
  {
    name: 'version-id',
    target: 'object',
    methods: ['POST'],
    status: 400,
    what: 'changing an older version',
    text: 'POST to a specific version is not allowed',
  },
];

const FAULTS = {
  400: swiftFaults.badRequest,
  412: swiftFaults.preconditionFailed,
} as const;

export function refuseUnsupported(call: SwiftCall, target: Target): void {
  const { method, query, headers } = call.http;
  if (method !== 'GET' && method !== 'HEAD') {
    for (const rule of REFUSED_HEADERS) {
      if (rule.target === target && rule.methods.includes(method) && hasHeader(headers, rule.name)) throw refusal(rule);
    }
  }
  if (query === undefined || query === '') return;
  for (const rule of REFUSED_PARAMETERS) {
    if (rule.target === target && rule.methods.includes(method) && call.params.has(rule.name)) throw refusal(rule);
  }
}

function hasHeader(headers: ReadonlyMap<string, string>, name: string): boolean {
  if (!name.endsWith('*')) return Boolean(headers.get(name));
  for (const each of headers.keys()) if (each.startsWith(name.slice(0, -1))) return true;
  return false;
}

function refusal({ name, status, text }: RefusedName): Error {
  return refuse(FAULTS[status], text ?? `${name} is not supported`);
}
