/** A result as a bar chart in SVG: operations a second on a logarithmic scale, one bar a row, the cost beside it. */
import { number, rowTitle } from './report.ts';
import type { Result, Row } from './result-format.ts';

const WIDTH = 900;
const LABEL = 300;
const NOTE = 190;
const BAR = 16;
const GAP = 6;
const TOP = 64;
const LEFT = LABEL + 10;
const RIGHT = WIDTH - NOTE;

export function chartOf({ rows, machine, date, ceilings }: Result): string {
  const rates = rows.map((row) => Math.max(1, row.opsPerSecond));
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...rates, 10))));
  const x = (rate: number): number => LEFT + ((RIGHT - LEFT) * Math.log10(Math.max(1, rate))) / decades;
  const height = TOP + rows.length * (BAR + GAP) + 30;
  const bottom = height - 26;
  const grid = Array.from({ length: decades + 1 }, (_, power) => {
    const at = x(10 ** power).toFixed(1);
    return `<line x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${bottom}" stroke="#ddd"/><text x="${at}" y="${bottom + 16}" text-anchor="middle">${10 ** power}</text>`;
  });
  const bars = rows.map((row, index) => bar(row, TOP + index * (BAR + GAP), x(row.opsPerSecond)));
  const limits = `${number(ceilings.appendsPerSecond)} synced 4 KiB appends/s, MD5 ${number(ceilings.md5MegabytesPerSecond)} MB/s`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="10" y="20" font-size="14">Operations a second (logarithmic), ${date.slice(0, 10)}</text>`,
    `<text x="10" y="38" fill="#555">${escapeXml(machine)}; ceilings: ${limits}</text>`,
    ...grid,
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

function bar(row: Row, y: number, end: number): string {
  const good = row.errors === 0;
  const cpu = row.cpuUsPerOp === undefined ? '' : `, ${number(row.cpuUsPerOp)} µs CPU`;
  const note = good
    ? `${number(row.opsPerSecond)}/s${cpu}, p99 ${number(row.p99Ms)} ms`
    : `invalid: ${row.errors} errors`;
  const middle = y + BAR - 4;
  return [
    `<text x="${LABEL}" y="${middle}" text-anchor="end">${escapeXml(rowTitle(row))}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${Math.max(1, end - LEFT).toFixed(1)}" height="${BAR}" fill="${good ? '#3a7ca5' : '#c44'}"/>`,
    `<text x="${(end + 4).toFixed(1)}" y="${middle}">${escapeXml(note)}</text>`,
  ].join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
