import t from 'tap';
import { BEGIN, END, makeRow, updateDocument } from './table.ts';

const outcome = (place: string, state: 'ok' | 'failed' | 'skipped') => ({
  ...{ client: 'a', place, step: 's', state, why: '', tookMs: 1 },
});

t.test('a run replaces its own cells and keeps the others', async (t) => {
  const empty = `# Clients\n\n${BEGIN}\n${END}\n\nThe end.\n`;
  const head = { client: 'a', version: '1.0', apis: 's3' };
  const order = ['a', 'b'];
  const http = makeRow(head, [outcome('HTTP --port', 'ok'), outcome('HTTP --port', 'failed')]);
  const first = updateDocument(empty, [{ ...http, client: 'b' }, http], order);
  t.match(first, /\| a \| 1\.0 \| s3 \| 1\/2 \| – \| – \| – \|\n\| b \|/, 'in the order of the clients');
  const tls = makeRow(head, [outcome('TLS --port', 'ok'), outcome('TLS --port', 'skipped')]);
  const second = updateDocument(first, [tls, { ...http, version: '2.0' }], order);
  t.match(second, '| a | 1.0 | s3 | 1/2 | – | 1/1, 1 skipped | – |\n| a | 2.0 | s3 | 1/2 |');
  t.ok(second.startsWith('# Clients') && second.endsWith('The end.\n'));
  t.equal(updateDocument(second, [tls], order), second, 'the same again');
  t.throws(() => updateDocument('# no marks', [tls], order));
});
