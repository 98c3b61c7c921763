/**
 * docs/api-support.md says what the code does and names tests that exist. `UPDATE_DOCS=1` writes the tables anew instead of
 * comparing them. A new operation needs a line in test/support-tests.ts.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import t from 'tap';
import { ALL_ROWS, SUPPORT_TABLES, shownBy } from './api-support.ts';
import { fill } from './api-tables.ts';
import { SHOWN } from './support-tests.ts';

const fileOf = (name: string): URL => new URL(`../../${name}`, import.meta.url);

t.test('docs/api-support.md', async (t) => {
  const file = fileOf('docs/api-support.md');
  const text = readFileSync(file, 'utf8');
  const wanted = fill(text, SUPPORT_TABLES);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, wanted);
  else t.equal(text, wanted, 'run UPDATE_DOCS=1 node build/test/api-support.test.js');
});

t.test('every row is shown by a test that exists', async (t) => {
  const rows = ALL_ROWS();
  for (const row of rows) t.ok(shownBy(row), `${row.key}: a line in test/support-tests.ts`);
  for (const shown of SHOWN) {
    const { file, test } = shown;
    t.ok(
      rows.some((row) => shownBy(row) === shown),
      `${shown.rows} fits a row`,
    );
    if (!existsSync(fileOf(file))) {
      t.fail(`${file} is not there`);
      continue;
    }
    const source = readFileSync(fileOf(file), 'utf8');
    t.ok(source.includes(`'${test}'`) || source.includes(`  ${test}: async`), `${file} has '${test}'`);
  }
});

t.test('every refusal has a reason', async (t) => {
  for (const { key, answer, note } of ALL_ROWS()) {
    if (/^[45]\d\d/.test(answer)) t.not(note, '', `${key}: why`);
  }
});
