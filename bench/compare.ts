/** `bench compare`: one result against another by ratios, row by row; false when one got worse than the threshold allows. */
import { number, rowTitle } from './report.ts';
import { type Result, type Row, readResult } from './result-format.ts';

const TITLE_WIDTH = 44;

export interface Change {
  readonly title: string;
  /** New by old. */
  readonly rate: number;
  readonly cpu: number | undefined;
  readonly regressed: boolean;
  readonly note: string;
}

/** `threshold` 0.2 lets a rate fall to 80 % and CPU per operation rise to 120 %. */
export function changesOf(before: Result, after: Result, threshold: number): Change[] {
  const old = new Map(before.rows.map((row) => [rowTitle(row), row]));
  return after.rows.map((row) => {
    const title = rowTitle(row);
    const base = old.get(title);
    if (base === undefined || base.errors > 0) {
      return { title, rate: Number.NaN, cpu: undefined, regressed: row.errors > 0, note: 'nothing to compare with' };
    }
    if (row.errors > 0) return { title, rate: 0, cpu: undefined, regressed: true, note: `${row.errors} errors` };
    return judge(title, base, row, threshold);
  });
}

function judge(title: string, base: Row, row: Row, threshold: number): Change {
  const rate = row.opsPerSecond / base.opsPerSecond;
  const cpu = row.cpuUsPerOp !== undefined && base.cpuUsPerOp ? row.cpuUsPerOp / base.cpuUsPerOp : undefined;
  const slower = rate < 1 - threshold;
  const dearer = cpu !== undefined && cpu > 1 + threshold;
  const note = [slower ? 'slower' : '', dearer ? 'more CPU' : ''].filter(Boolean).join(', ');
  return { title, rate, cpu, regressed: slower || dearer, note };
}

export function compare(beforeFile: string, afterFile: string, threshold: number): boolean {
  const [before, after] = [readResult(beforeFile), readResult(afterFile)];
  if (before.machine !== after.machine) {
    console.log(`different machines: "${before.machine}" and "${after.machine}"; ratios mean little`);
  }
  const disk = after.ceilings.appendsPerSecond / before.ceilings.appendsPerSecond;
  const md5 = after.ceilings.md5MegabytesPerSecond / before.ceilings.md5MegabytesPerSecond;
  console.log(`the machine itself, new by old: synced appends ${number(disk)}, MD5 ${number(md5)}`);
  console.log(`${'new by old'.padEnd(TITLE_WIDTH)}${'rate'.padStart(8)}${'CPU/op'.padStart(8)}`);
  const changes = changesOf(before, after, threshold);
  for (const { title, rate, cpu, regressed, note } of changes) {
    const mark = regressed ? `  REGRESSION: ${note}` : note && `  ${note}`;
    const rateText = Number.isNaN(rate) ? '-' : number(rate);
    console.log(`${title.padEnd(TITLE_WIDTH)}${rateText.padStart(8)}${number(cpu).padStart(8)}${mark}`);
  }
  const missing = before.rows.length - changes.filter(({ rate }) => !Number.isNaN(rate)).length;
  if (missing > 0) console.log(`${missing} rows of ${beforeFile} are not in ${afterFile}`);
  return changes.length > 0 && changes.every(({ regressed }) => !regressed);
}
