/** The metrics page of a running cluster: what an operator needs is there, moves, and follows Prometheus' conventions. */
import t, { type Test } from 'tap';
import { startBench } from '../test/crash/started.ts';

t.setTimeout(120_000);
const WAIT_MS = 20_000;
const LOOK_EVERY_MS = 250;

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

interface Page {
  readonly types: ReadonlyMap<string, string>;
  readonly help: ReadonlySet<string>;
  readonly samples: readonly Sample[];
}

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;

/** Every line must be one that the text format knows. */
function parse(t: Test, text: string): Page {
  const types = new Map<string, string>();
  const help = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, what, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (what === 'HELP') help.add(name);
    else if (what === 'TYPE') types.set(name, rest);
    else {
      const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
      if (sample === '' || Number.isNaN(Number(value))) t.fail(`not a line of the format: ${line}`);
      samples.push({ name: sample, labels, value: Number(value) });
    }
  }
  return { types, help, samples };
}

const sumOf = ({ samples }: Page, name: string, labels = ''): number =>
  samples.filter((one) => one.name === name && one.labels.includes(labels)).reduce((sum, { value }) => sum + value, 0);

function checkConventions(t: Test, { types, help, samples }: Page): void {
  for (const [name, type] of types) {
    t.match(name, /^needletail_[a-z_]+$/);
    t.ok(help.has(name), `${name} has a help line`);
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    t.notMatch(name, /_(ms|millis|milliseconds|us|kb|mb|mib|percent)(_|$)/, 'base units: seconds, bytes, ratios');
    if (type === 'histogram') t.match(name, /_seconds$/);
  }
  for (const { name } of samples) {
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(family)) t.fail(`${name} has no TYPE`);
  }
  const seen = samples.map(({ name, labels }) => `${name}{${labels}}`);
  t.equal(new Set(seen).size, seen.length, 'no line twice');
  t.ok(
    samples.every(({ value }) => value >= 0),
    'nothing is negative',
  );
}

function checkHistogram(t: Test, { samples }: Page, name: string): void {
  const row = (labels: string): string => labels.replace(/,?le="[^"]*"/, '');
  const buckets = new Map<string, number[]>();
  for (const { name: sample, labels, value } of samples) {
    if (sample === `${name}_bucket`) buckets.set(row(labels), [...(buckets.get(row(labels)) ?? []), value]);
  }
  t.ok(buckets.size > 0, `${name} has rows`);
  for (const [labels, values] of buckets) {
    t.ok(
      values.every((value, i) => i === 0 || value >= (values[i - 1] as number)),
      'cumulative',
    );
    const count = samples.find((one) => one.name === `${name}_count` && one.labels === labels);
    t.equal(count?.value, values.at(-1), `${name}{${labels}}: the last bucket holds all`);
  }
}

/** What an operator looks for, by the question it answers. */
const WANTED = {
  'how many requests, how they end': ['requests_total', 'request_duration_seconds', 'requests_in_flight'],
  'how deep the queues are': ['peer_calls', 'peer_queued_bytes', 'device_queued_bytes', 'open_operations'],
  'how long a sync takes': ['device_fsync_duration_seconds'],
  'how full the devices are': ['device_fill_ratio', 'device_free_bytes', 'device_capacity_bytes', 'device_live_bytes'],
  'what is owed': ['device_handoff_copies', 'device_behind_bytes', 'device_unsettled_operations'],
  'what is damaged': ['device_quarantined', 'device_damage_found_total', 'device_damage_repaired_total'],
  'how far the checkpoint lags': ['device_checkpoint_lag_records', 'device_checkpoint_lag_bytes'],
  'whether account totals lag': ['account_totals_lagging'],
} as const;

t.test('the page of a working cluster', async (t) => {
  const { server, client } = await startBench(t, { processes: 'zones' });
  const page = async (): Promise<Page> => parse(t, await client.metrics());
  const until = async (what: string, test: (page: Page) => boolean): Promise<void> => {
    const endMs = performance.now() + WAIT_MS;
    while (!test(await page())) {
      if (performance.now() > endMs) return void t.fail(what);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    t.pass(what);
  };
  await client.ask('PUT', '/c');
  for (let i = 0; i < 20; i++) await client.ask('PUT', `/c/${i}`, Buffer.alloc(5000, i));
  for (let i = 0; i < 10; i++) await client.ask('GET', `/c/${i}`);
  await client.ask('GET', '/c/absent');
  await client.raw('GET', '/no-such-bucket/x', {});
  const first = await page();
  checkConventions(t, first);
  for (const [question, names] of Object.entries(WANTED)) {
    for (const name of names) t.ok(first.types.has(`needletail_${name}`), `${question}: ${name}`);
  }
  checkHistogram(t, first, 'needletail_request_duration_seconds');
  checkHistogram(t, first, 'needletail_device_fsync_duration_seconds');
  const answers = (labels: string): number => sumOf(first, 'needletail_requests_total', labels);
  t.equal(answers('api="swift",method="PUT",status="201"'), 21);
  t.equal(answers('api="swift",method="GET",status="404"'), 1);
  t.equal(answers('api="s3",method="GET",status="403"') + answers('api="s3",method="GET",status="404"'), 1);
  t.ok(sumOf(first, 'needletail_received_bytes_total') >= 100_000);
  t.ok(sumOf(first, 'needletail_sent_bytes_total') >= 50_000);
  t.ok(sumOf(first, 'needletail_device_live_bytes') >= 300_000, 'three replicas of everything');
  const full = first.samples.filter(({ name }) => name === 'needletail_device_fill_ratio').map(({ value }) => value);
  t.equal(full.length, 5);
  t.ok(full.every((ratio) => ratio > 0 && ratio < 1));
  t.equal(sumOf(first, 'needletail_device_state', 'state="up"'), 5);
  await until('account totals catch up', (now) => sumOf(now, 'needletail_account_totals_lagging') === 0);
  await until('the checkpoint catches up', (now) => sumOf(now, 'needletail_device_checkpoint_lag_records') === 0);
  await until('writes settle', (now) => sumOf(now, 'needletail_open_operations') === 0);
  const zone = Object.keys(server.pids.zones)[0] as string;
  server.killZone(zone);
  await until(`${zone} is seen to be gone`, (now) => sumOf(now, 'needletail_peer_up', `peer="${zone}"`) === 0);
  for (let i = 0; i < 20; i++) await client.ask('PUT', `/c/later-${i}`, Buffer.alloc(5000, i));
  await until('and back', (now) => sumOf(now, 'needletail_device_state', 'state="up"') === 5);
  const debts = ['needletail_device_handoff_copies', 'needletail_device_behind_bytes'];
  await until('and nothing owed', (now) => debts.every((name) => sumOf(now, name) === 0));
  t.equal(await server.stop(), 0);
});
