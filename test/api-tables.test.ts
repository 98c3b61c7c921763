/** docs/api-*.md say what the code does. `UPDATE_DOCS=1` writes the tables anew instead of comparing them. */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import t from 'tap';
import { OPERATIONS } from '../proxy/s3/operations.ts';
import { fill, S3_TABLES, SWIFT_TABLES } from './api-tables.ts';
import { CINDER_TABLES } from './cinder-tables.ts';
import { IDENTITY_TABLES } from './identity-tables.ts';

for (const [name, tables] of [
  ['api-s3.md', S3_TABLES],
  ['api-swift.md', SWIFT_TABLES],
  ['api-cinder.md', CINDER_TABLES],
  ['identity.md', IDENTITY_TABLES],
] as const) {
  t.test(`docs/${name}`, async (t) => {
    const file = new URL(`../../docs/${name}`, import.meta.url);
    const text = readFileSync(file, 'utf8');
    const wanted = fill(text, tables);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, wanted);
    else t.equal(text, wanted, 'run UPDATE_DOCS=1 node build/test/api-tables.test.js');
  });
}

t.test('every operation is named by one row, and answers or refuses', async (t) => {
  const seen = new Set<string>();
  for (const row of OPERATIONS) {
    const wire = `${row.method} ${row.target} ${row.sub} ${row.copies === true}`;
    t.notOk(seen.has(wire), wire);
    seen.add(wire);
    t.not(row.run === undefined, row.refusal === undefined, `${row.name} does one of both`);
  }
});

t.test('a table without a place, or a place without a table, fails', async (t) => {
  t.throws(() => fill('', { a: () => '' }), /no place for a/);
  t.throws(() => fill('<!-- table: b -->\n<!-- end -->', {}), /no table is called b/);
  const filled = fill('x\n<!-- table: a -->\nold\n<!-- end -->\ny', { a: () => 'new' });
  t.equal(filled, 'x\n<!-- table: a -->\nnew\n<!-- end -->\ny');
});
