/** The command line of a run: names, defaults, limits, and what they mean. */
import { parseArgs } from 'node:util';
import type { Port } from './embedded.ts';
import type { Api } from './target.ts';

export const SCENARIOS = ['put', 'get', 'head', 'delete', 'list', 'mixed', 'large'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface RunOptions {
  /** `embedded` or a URL: Swift's …/auth/v1.0, a storage URL with a token, an S3 endpoint. */
  readonly target: string;
  readonly api: Api;
  readonly port: Port;
  readonly scenarios: readonly Scenario[];
  readonly sizes: readonly number[];
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly processes: 'inline' | 'zones';
  readonly largeNames: readonly number[];
  readonly deleteNames: number | undefined;
  readonly user: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly region: string;
  /** First word of each line is a pid of the server under `target`. */
  readonly pidfile: string | undefined;
  readonly directory: string | undefined;
  readonly profiles: string | undefined;
  readonly out: string | undefined;
  readonly chart: string | undefined;
  readonly writeDocs: boolean;
}

export const RUN_HELP = `npm run bench -- run [options]
  --target embedded|URL   the cluster this command starts itself (default), or a store elsewhere: …/auth/v1.0 with --user
                          and --key, a storage URL with --token, an S3 endpoint with --access-key and --secret-key
  --api swift|s3          default swift
  --port all|s3           embedded only: the port of everything (node:http) or of S3 alone (uWebSockets.js); default by API
  --scenario LIST         of ${SCENARIOS.join(',')}; default all but large
  --sizes LIST            default 4k,64k,1m,64m
  --connections LIST      default 1,16,64 (at most 4 for bodies of 16 MiB and more)
  --seconds N             measured time per row, default 5 (twice that from 16 MiB on); --warmup N before it, default 1
  --names LIST            sizes of the containers in scenario large, default 10000,1000000
  --delete-names N        objects written to be deleted, per row; default by size
  --processes inline|zones  process model of the embedded cluster, default inline
  --dir DIR               where the embedded cluster keeps its data while it runs, default the temporary directory
  --pidfile FILE          processes of a server elsewhere on this machine, for its CPU, disk and memory
  --region NAME           default us-east-1
  --out FILE.json         result; --chart FILE.svg: rates as bars (with --out beside it by default)
  --profile DIR           embedded only: profiles of the cluster's JavaScript, and what took most of its time; it costs
  --write-docs            table and chart into docs/benchmarks.md
exit 1 when a row had errors
`;

const STRINGS = [
  'target', 'api', 'port', 'scenario', 'sizes', 'connections', 'seconds', 'warmup', 'names', 'delete-names', 'processes',
  'dir', 'pidfile', 'profile', 'region', 'out', 'chart', 'user', 'key', 'token', 'access-key', 'secret-key',
] as const; // biome-ignore format: a list of words

export function parseRun(args: readonly string[]): RunOptions {
  const strings = Object.fromEntries(STRINGS.map((name) => [name, { type: 'string' as const }]));
  const options = { ...strings, 'write-docs': { type: 'boolean' as const } };
  const all = parseArgs({ args: [...args], options }).values;
  const values = all as Partial<Record<(typeof STRINGS)[number], string>>;
  const api = oneOf('api', values.api ?? 'swift', ['swift', 's3'] as const);
  return {
    target: values.target ?? 'embedded',
    api,
    port: oneOf('port', values.port ?? (api === 's3' ? 's3' : 'all'), ['all', 's3'] as const),
    scenarios: list(values.scenario ?? 'put,get,head,delete,list,mixed').map((name) =>
      oneOf('scenario', name, SCENARIOS),
    ),
    sizes: list(values.sizes ?? '4k,64k,1m,64m').map(parseSize),
    connections: list(values.connections ?? '1,16,64').map((text) => positive('connections', text)),
    seconds: positive('seconds', values.seconds ?? '5'),
    warmupSeconds: seconds('warmup', values.warmup ?? '1'),
    processes: oneOf('processes', values.processes ?? 'inline', ['inline', 'zones'] as const),
    largeNames: list(values.names ?? '10000,1000000').map((text) => positive('names', text)),
    deleteNames: values['delete-names'] === undefined ? undefined : positive('delete-names', values['delete-names']),
    user: values.user,
    key: values.key,
    token: values.token,
    accessKey: values['access-key'],
    secretKey: values['secret-key'],
    region: values.region ?? 'us-east-1',
    pidfile: values.pidfile,
    directory: values.dir,
    profiles: values.profile,
    out: values.out,
    chart: values.chart ?? values.out?.replace(/(?:\.json)?$/, '.svg'),
    writeDocs: all['write-docs'] === true,
  };
}

export function list(text: string): string[] {
  return text.split(',').filter((piece) => piece !== '');
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 };

/** `4k`, `1m`, `512`. */
export function parseSize(text: string): number {
  const found = /^(\d+)([kmg]?)$/i.exec(text);
  if (!found) throw new Error(`not a size: ${text}`);
  return Number(found[1]) * (UNITS[(found[2] ?? '').toLowerCase()] ?? 1);
}

export function sizeText(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', 1 << 30],
    ['MiB', 1 << 20],
    ['KiB', 1 << 10],
  ] as const) {
    if (bytes >= factor) return `${bytes / factor} ${unit}`;
  }
  return `${bytes} B`;
}

export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be above 0: ${text}`);
  return value;
}

/** Zero is allowed. */
export function seconds(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new Error(`--${name} is a number of seconds: ${text}`);
  return value;
}

/** As a share. */
export function percent(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 100)) throw new Error(`--${name} is a number of per cent below 100: ${text}`);
  return value / 100;
}

export function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new Error(`--${name} is one of ${allowed.join(', ')}: ${text}`);
  return found;
}
