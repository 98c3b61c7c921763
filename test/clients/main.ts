/** Every real client on every listener, over HTTP and TLS; a client that is not installed keeps its rows of the table. */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { campaignOptions } from '../campaign-options.ts';
import type { Outcome, RealClient } from './contract.ts';
import { CLIENTS, clientsOn, LISTENERS, runClient } from './runs.ts';
import { startServer } from './server.ts';
import { makeRow, type Row, renderTable, updateDocument } from './table.ts';

const DOCUMENT = fileURLToPath(new URL('../../../docs/clients.md', import.meta.url));
const API_NAMES = { s3: 'S3', swift: 'Swift', cloud: 'Keystone, Cinder' } as const;
const TRANSPORTS = ['http', 'tls'] as const;

const HELP = `npm run clients -- [options]
prints each step that failed, and the table of docs/clients.md, which it brings up to date
  --only REGEX       clients of such names
  --transport NAME   http or tls; default both
  --debian           prefer the tools in /usr/bin to others in PATH
  --check            the document stays as it is
  --no-install       no Debian packages are installed
exit 0 when no step failed, else 1
`;

const options = {
  only: { type: 'string', default: '' },
  transport: { type: 'string' },
  debian: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  'no-install': { type: 'boolean', default: false },
} as const;
const values = campaignOptions(HELP, options, []);

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function chooseClients(): RealClient[] {
  const wanted = new RegExp(values.only);
  return CLIENTS.filter((client) => {
    if (!wanted.test(client.name)) return false;
    const reason = client.missing();
    if (reason !== false) say(`${client.name}: left out: ${reason}`);
    return reason === false;
  });
}

/** Both listeners of a server of its own, one client after another. */
async function runTransport(tls: boolean, chosen: readonly RealClient[]): Promise<Outcome[]> {
  const server = await startServer({ tls, processes: tls ? 'zones' : 'inline' });
  const outcomes: Outcome[] = [];
  try {
    for (const listener of LISTENERS) {
      for (const client of clientsOn(listener).filter((one) => chosen.includes(one))) {
        const done = await runClient(server, listener, client);
        outcomes.push(...done);
        tell(done);
      }
    }
  } finally {
    await server.stop();
  }
  return outcomes;
}

function tell(outcomes: readonly Outcome[]): void {
  const [first] = outcomes;
  if (first === undefined) return;
  const tookMs = outcomes.reduce((sum, outcome) => sum + outcome.tookMs, 0);
  const passed = outcomes.filter(({ state }) => state === 'ok').length;
  say(`${first.client}, ${first.place}: ${passed} of ${outcomes.length} steps, ${(tookMs / 1000).toFixed(1)} s`);
  for (const { step, state, why } of outcomes) if (state !== 'ok') say(`  ${step}: ${state}: ${why}`);
}

async function main(): Promise<boolean> {
  if (values.debian) process.env['PATH'] = `/usr/bin:${process.env['PATH'] ?? ''}`;
  const chosen = chooseClients();
  const outcomes: Outcome[] = [];
  for (const transport of TRANSPORTS) {
    if ((values.transport ?? transport) === transport)
      outcomes.push(...(await runTransport(transport === 'tls', chosen)));
  }
  const rows = chosen.map((client): Row => {
    const apis = client.apis.map((api) => API_NAMES[api]).join(' and ');
    const head = { client: client.name, version: client.version(), apis };
    return makeRow(
      head,
      outcomes.filter((outcome) => outcome.client === client.name),
    );
  });
  say(`\n${renderTable(rows)}`);
  const order = CLIENTS.map(({ name }) => name);
  if (!values.check) writeFileSync(DOCUMENT, updateDocument(readFileSync(DOCUMENT, 'utf8'), rows, order));
  return outcomes.length > 0 && outcomes.every(({ state }) => state !== 'failed');
}

process.exitCode = (await main()) ? 0 : 1;
