/**
 * The table of docs/clients.md: a row for each client and version, a column for each place, a cell of steps passed. A run
 * replaces the rows of the clients that it ran, and keeps those of other versions. Reads and writes between two marks.
 */
import type { Outcome } from './contract.ts';

export const BEGIN = '<!-- table: npm run clients -->';
export const END = '<!-- end of table -->';
export const PLACES = ['HTTP --port', 'HTTP --s3-port', 'TLS --port', 'TLS --s3-port'] as const;
/** Not run there. */
const NOTHING = '–';

export interface Row {
  readonly client: string;
  readonly version: string;
  readonly apis: string;
  /** By place, as `9/9`. */
  readonly cells: Readonly<Record<string, string>>;
}

export function makeRow(head: Omit<Row, 'cells'>, outcomes: readonly Outcome[]): Row {
  const cells = PLACES.map((place) => [place, cellOf(outcomes.filter((outcome) => outcome.place === place))]);
  return { ...head, cells: Object.fromEntries(cells) };
}

/** Steps passed of steps tried; what the client cannot do is counted apart. */
function cellOf(outcomes: readonly Outcome[]): string {
  const count = (state: Outcome['state']): number => outcomes.filter((outcome) => outcome.state === state).length;
  const tried = outcomes.length - count('skipped');
  if (tried === 0) return NOTHING;
  return `${count('ok')}/${tried}${count('skipped') > 0 ? `, ${count('skipped')} skipped` : ''}`;
}

export function renderTable(rows: readonly Row[]): string {
  const head = ['Client', 'Version', 'API', ...PLACES.map((place) => place.replace(' ', ' `').concat('`'))];
  const lines = rows.map((row) => [
    row.client,
    row.version,
    row.apis,
    ...PLACES.map((place) => row.cells[place] ?? NOTHING),
  ]);
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The document with these rows in its table; a cell that this run did not fill keeps what it had. Throws without marks. */
export function updateDocument(text: string, rows: readonly Row[], order: readonly string[]): string {
  const [start, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`the document has no ${BEGIN} … ${END}`);
  const merged = new Map(parseTable(text.slice(start, end)).map((row) => [keyOf(row), row]));
  for (const row of rows) {
    const filled = Object.entries(row.cells).filter(([, cell]) => cell !== NOTHING);
    const cells = { ...merged.get(keyOf(row))?.cells, ...Object.fromEntries(filled) };
    merged.set(keyOf(row), { ...row, cells });
  }
  const place = ({ client }: Row): number => order.indexOf(client);
  const sorted = [...merged.values()].sort((a, b) => place(a) - place(b) || (a.version < b.version ? -1 : 1));
  return `${text.slice(0, start)}${BEGIN}\n\n${renderTable(sorted)}\n\n${text.slice(end)}`;
}

const keyOf = ({ client, version }: Row): string => `${client} ${version}`;

function parseTable(text: string): Row[] {
  const lines = text.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => {
    const [client = '', version = '', apis = '', ...cells] = line.slice(2, -2).split(' | ');
    return { client, version, apis, cells: Object.fromEntries(PLACES.map((place, i) => [place, cells[i] ?? NOTHING])) };
  });
}
