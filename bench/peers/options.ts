/** The command line of a comparison with other stores, and how it is written down again without the paths of a machine. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { list, oneOf, positive, seconds } from '../options.ts';
import type { PeerDirectory } from './peer.ts';
import { chooseRows, type PeerRow, ROWS } from './rows.ts';

const PEER_NAMES = ['swift', 'rgw'] as const;
const DIRECTORY_VARIABLE = 'NEEDLETAIL_PEERS_DIR';
export const RESULT_DEFAULT = 'bench/results/peers.json';

export const PEERS_HELP = `npm run bench -- peers --peers-dir DIR [options]
  --peers-dir DIR         has swift/, rgw/ (each with start.sh and stop.sh) and load/load.sh; docs/benchmarks.md says what
                          these do; $${DIRECTORY_VARIABLE} by default
  --swift-dir DIR, --rgw-dir DIR, --load-dir DIR   the same one by one, where they do not lie together
  --only LIST             of swift, rgw and s3 (our own S3 on both engines against our Swift API); default all there are
  --rows LIST             of ${ROWS.map(({ id }) => id).join(',')}; default all
  --passes N              of each row, peer and we by turns, default 2; --seconds N measured in each, default 5 (twice that
                          for 64 MiB)
  --warmup N              seconds before each measurement, default 1; --prime N after each start, default 4
  --processes inline|zones  of our cluster, default inline
  --dir DIR               where our cluster keeps its data while it runs
  --out FILE.json         default ${RESULT_DEFAULT}; rows are added as they finish, those measured again are replaced
  --resume                leaves out rows that the file has already; --fresh forgets what it has
  --write-docs            the tables of the file into docs/benchmarks.md; --render: the same without measuring
`;

export interface PeersOptions {
  readonly peers: readonly PeerDirectory[];
  readonly doors: boolean;
  readonly rows: readonly PeerRow[];
  readonly passes: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly primeSeconds: number;
  readonly processes: 'inline' | 'zones';
  readonly parent: string | undefined;
  readonly out: string;
  readonly resume: boolean;
  readonly fresh: boolean;
  readonly writeDocs: boolean;
  readonly render: boolean;
  /** As it can be repeated elsewhere. */
  readonly command: string;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const WORDS = {
  'peers-dir': text, 'swift-dir': text, 'rgw-dir': text, 'load-dir': text, only: text, rows: text, passes: text,
  seconds: text, warmup: text, prime: text, processes: text, dir: text, out: text, resume: flag, fresh: flag,
  'write-docs': flag, render: flag,
} as const; // biome-ignore format: a list of words

type Values = { readonly [Name in keyof typeof WORDS]?: string | boolean | undefined };

export function parsePeers(args: readonly string[]): PeersOptions {
  const { values } = parseArgs({ args: [...args], options: WORDS });
  const only = list(values.only ?? '');
  for (const name of only) oneOf('only', name, [...PEER_NAMES, 's3']);
  return {
    peers: values.render ? [] : peersOf(values, only),
    doors: only.length === 0 || only.includes('s3'),
    rows: chooseRows(list(values.rows ?? '')),
    passes: positive('passes', values.passes ?? '2'),
    seconds: positive('seconds', values.seconds ?? '5'),
    warmupSeconds: seconds('warmup', values.warmup ?? '1'),
    primeSeconds: seconds('prime', values.prime ?? '4'),
    processes: oneOf('processes', values.processes ?? 'inline', ['inline', 'zones'] as const),
    parent: values.dir,
    out: values.out ?? RESULT_DEFAULT,
    resume: values.resume,
    fresh: values.fresh,
    writeDocs: values['write-docs'] || values.render,
    render: values.render,
    command: commandOf(values),
  };
}

function peersOf(values: Values, only: readonly string[]): PeerDirectory[] {
  const together = (values['peers-dir'] ?? process.env[DIRECTORY_VARIABLE]) as string | undefined;
  const place = (name: string): string | undefined => {
    const own = values[`${name}-dir` as keyof Values] as string | undefined;
    if (own !== undefined) return path.resolve(own);
    return together === undefined ? undefined : path.resolve(together, name);
  };
  const wanted = only.length === 0 ? PEER_NAMES.filter((name) => place(name)) : only.filter((name) => name !== 's3');
  return wanted.map((name) => {
    const [directory, load] = [place(name), place('load')];
    if (directory === undefined) throw new Error(`${name} needs --peers-dir or --${name}-dir`);
    if (load === undefined) throw new Error(`the load generator needs --peers-dir or --load-dir`);
    return { name, directory, load };
  });
}

/** Directories are the reader's own: their names alone stay. */
function commandOf(values: Values): string {
  const words = Object.entries(values).flatMap(([name, value]) => {
    if (value === false || value === undefined || ['out', 'dir', 'resume', 'render', 'fresh'].includes(name)) return [];
    if (value === true) return [`--${name}`];
    return [`--${name} ${name.endsWith('-dir') ? 'DIR' : value}`];
  });
  return ['npm run bench -- peers', ...words].join(' ');
}
