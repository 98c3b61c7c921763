/** Lines for people. */
import { sizeText } from './options.ts';
import type { Ceilings, Result, Row } from './result-format.ts';

const COLUMNS: readonly (readonly [title: string, width: number, value: (row: Row) => string])[] = [
  ['ops/s', 9, (row) => number(row.opsPerSecond)],
  ['MB/s', 8, (row) => number(row.megabytesPerSecond)],
  ['p50 ms', 8, (row) => number(row.p50Ms)],
  ['p99 ms', 8, (row) => number(row.p99Ms)],
  ['p99.9', 8, (row) => number(row.p999Ms)],
  ['CPU µs/op', 10, (row) => number(row.cpuUsPerOp)],
  ['disk B/B', 9, (row) => number(row.diskBytesPerByte)],
  ['PSS MiB', 8, (row) => number(row.pssMiB)],
  ['client µs', 10, (row) => number(row.clientCpuUsPerOp)],
  ['other %', 8, (row) => number(row.otherCpuShare * 100)],
];
const TITLE_WIDTH = 40;

export function rowTitle({ name, sizeBytes, connections }: Row): string {
  return `${name}${sizeBytes > 0 ? ` ${sizeText(sizeBytes)}` : ''} × ${connections}`;
}

export function printHeading(machine: string, { appendsPerSecond, md5MegabytesPerSecond }: Ceilings): void {
  console.log(machine);
  console.log(
    `ceilings: ${number(appendsPerSecond)} appends of 4 KiB a second (fdatasync every 64), MD5 ${number(md5MegabytesPerSecond)} MB/s on one core`,
  );
  console.log(' '.repeat(TITLE_WIDTH) + COLUMNS.map(([title, width]) => title.padStart(width)).join(''));
}

export function printRow(row: Row): void {
  console.log(
    rowTitle(row).padEnd(TITLE_WIDTH) + COLUMNS.map(([, width, value]) => value(row).padStart(width)).join(''),
  );
  if (row.errors > 0) console.log(`  INVALID, ${row.errors} errors: ${row.errorSamples.join('; ')}`);
}

/** The result as Markdown. */
export function resultText({ rows, machine, date, command, ceilings, idlePssMiB }: Result): string {
  const idle = idlePssMiB === undefined ? '' : ` Memory when idle (PSS): ${idlePssMiB.toFixed(0)} MiB.`;
  const limits = `${number(ceilings.appendsPerSecond)} appends of 4 KiB a second to one file, synced by 64; MD5 ${number(ceilings.md5MegabytesPerSecond)} MB/s on one core`;
  return [
    `${date.slice(0, 10)}, ${machine}, by \`${command}\`. Ceilings of the same run: ${limits}.${idle}`,
    '',
    `| row | ${COLUMNS.map(([title]) => title).join(' | ')} |`,
    `| --- |${' --- |'.repeat(COLUMNS.length)}`,
    ...rows.map((row) => {
      const cells = COLUMNS.map(([, , value]) => value(row)).join(' | ');
      return `| ${rowTitle(row)}${row.errors > 0 ? ` (invalid: ${row.errors} errors)` : ''} | ${cells} |`;
    }),
  ].join('\n');
}

/** Three digits that matter. */
export function number(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value === 0) return '0';
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
