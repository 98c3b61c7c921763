/**
 * `npm run bench -- versions`: what versions cost. A page of versions beside a page of names, at a small and a large number,
 * and a bucket with versioning, a policy and default encryption beside a plain one.
 */
import { parseArgs } from 'node:util';
import { writeSections } from './document.ts';
import { positive } from './options.ts';
import { number } from './report.ts';
import { machineLine, writeResult } from './result-format.ts';
import { costOfGuards, type Paired } from './version-cost.ts';
import { type PageCosts, pageCosts, VERSIONS_EACH } from './version-pages.ts';

/** Large over small, versions over names, guarded over plain. */
const RATIO_MAX = 1.5;
/** Fewer have no full page after every marker. */
const NAMES_MIN = 10_000;

export const VERSIONS_HELP = `npm run bench -- versions [options]
  --small N --large N   rows in the two containers, default 10000 and 100000
  --seconds S --rounds N   of each load, default 4 and 3: the best round counts
  --only NAMES          of versioning,policy,encryption, with commas: what the guarded bucket has, default all
  --dir DIR             where the data lies while it is measured
  --out FILE.json       what was measured; --write-docs: the tables into docs/benchmarks.md
exit 1 when one of the ratios is above ${RATIO_MAX}
`;

export async function versions(args: readonly string[]): Promise<boolean> {
  const text = { type: 'string' } as const;
  const options = { small: text, large: text, seconds: text, rounds: text, only: text, dir: text, out: text } as const;
  const { values } = parseArgs({ args: [...args], options: { ...options, 'write-docs': { type: 'boolean' } } });
  const counts = [positive('small', values.small ?? '10000'), positive('large', values.large ?? '100000')] as const;
  if (Math.min(...counts) < NAMES_MIN) throw new Error(`--small and --large are at least ${NAMES_MIN}`);
  const [small, large] = [await pageCosts(counts[0], values.dir), await pageCosts(counts[1], values.dir)];
  const pages = pagesTable(counts, small, large);
  console.log(`\n${pages}`);
  const [seconds, rounds] = [positive('seconds', values.seconds ?? '4'), positive('rounds', values.rounds ?? '3')];
  const only = values.only?.split(',');
  const guards = await costOfGuards({ seconds, rounds, ...(only ? { only } : {}) }, values.dir);
  const cost = guardsTable(guards);
  console.log(`\n${cost}`);
  const date = new Date().toISOString();
  const machine = machineLine();
  if (values.out) writeResult(values.out, { date, machine, rows: counts, small, large, guards });
  if (values['write-docs']) writeSections({ versions: `${date.slice(0, 10)}, ${machine}.\n\n${pages}\n\n${cost}` });
  const ratios = [
    large.versionsUs / small.versionsUs,
    large.versionsUs / large.plainUs,
    ...guards.map(({ plainUs, guardedUs }) => guardedUs / plainUs),
  ];
  return ratios.every((ratio) => ratio <= RATIO_MAX);
}

function pagesTable([few, many]: readonly [number, number], small: PageCosts, large: PageCosts): string {
  const row = (label: string, a: number, b: number): string =>
    `| ${label} | ${number(a)} | ${number(b)} | ${number(b / a)} |`;
  return [
    `| µs CPU per entry of a page of 1000 | ${few} rows | ${many} rows | ratio |`,
    '| --- | --- | --- | --- |',
    row('names', small.plainUs, large.plainUs),
    row(`versions, ${VERSIONS_EACH} of each name`, small.versionsUs, large.versionsUs),
    `| versions over names | ${number(small.versionsUs / small.plainUs)} | ${number(large.versionsUs / large.plainUs)} | |`,
  ].join('\n');
}

function guardsTable(guards: readonly Paired[]): string {
  const lines = guards.map(
    ({ what, plainUs, guardedUs }) =>
      `| ${what} | ${number(plainUs)} | ${number(guardedUs)} | ${number(guardedUs / plainUs)} | ${guardedUs / plainUs <= RATIO_MAX ? 'yes' : 'no'} |`,
  );
  return [
    `| µs CPU of the server, 4 KiB | plain bucket | versioning, policy, encryption | ratio | ≤ ${RATIO_MAX} |`,
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
