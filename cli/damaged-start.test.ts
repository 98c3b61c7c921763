/** A disk that cannot be read at the start is named in one line, and the rest of the store comes up and serves everything. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { Bench } from '../test/crash/campaign.ts';
import { Client } from '../test/crash/client.ts';
import { runFsck } from '../test/crash/fsck.ts';
import { rowsOf } from '../test/crash/load.ts';
import { CrashServer } from '../test/crash/server.ts';
import { Patient, writeCluster } from '../test/disk-surgery.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const SMALL_OBJECTS = 20;
t.setTimeout(170_000);

const random = createSeededRandom(21);
const bodies = new Map<string, Buffer>();
for (let i = 0; i < SMALL_OBJECTS; i++) bodies.set(`crash-a/${i}`, random.bytes(2_000));
bodies.set('crash-a/large', random.bytes(1_500_000));

const bench = new Bench();
const healthy = new Patient(bench.data);
t.teardown(() => bench.remove());
t.before(() =>
  writeCluster(bench, async (client) => {
    for (const [name, body] of bodies) await client.ask('PUT', `/${name}`, body);
  }),
);

interface Case {
  readonly damage: (patient: Patient, device: string) => void;
  /** Of the line in the log. */
  readonly line: RegExp;
  readonly processes?: 'zones';
}

const CASES: Readonly<Record<string, Case>> = {
  'its identity is garbage': {
    damage: (patient, device) => writeFileSync(patient.file(device, 'device.json'), 'garbage'),
    line: /"level":50.*"device":1.*device\.json does not check/,
  },
  'it belongs to another cluster': {
    damage: (patient, device) => {
      // The disks of two zones were swapped, as seen from one of them.
      const other = patient.devices[3] as string;
      writeFileSync(patient.file(device, 'device.json'), readFileSync(patient.file(other, 'device.json')));
    },
    line: /"level":50.*"device":1.*is device 3 of cluster/,
    processes: 'zones',
  },
  'its index is garbage': {
    damage: (patient, device) => writeFileSync(patient.file(device, 'index', 'data.mdb'), Buffer.alloc(65_536, 0x5a)),
    line: /"level":50.*"device":1/,
  },
  'its log is garbage': {
    damage: (patient, device) => {
      const file = patient.file(device, 'log', '00000001.seg');
      writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0x5a));
    },
    line: /"level":50.*"device":1/,
  },
  'its log is cut short': {
    damage: (patient, device) => truncateSync(patient.file(device, 'log', '00000001.seg'), 5_000),
    line: /"level":[45]0.*"device":1/,
  },
  'there is a file where it should be': {
    damage: (patient, device) => {
      rmSync(patient.file(device), { recursive: true });
      writeFileSync(patient.file(device), '');
    },
    line: /"level":50.*"device":1/,
  },
};

for (const [what, { damage, line, processes = 'inline' }] of Object.entries(CASES)) {
  t.test(`a disk cannot be read: ${what}`, async (t) => {
    const patient = healthy.clone(what.replaceAll(' ', '-').slice(0, 20));
    const logFile = `${patient.data}.log`;
    const server = new CrashServer({ directory: patient.data, logFile, processes });
    const client = new Client(patient.data);
    t.teardown(async () => {
      client.close();
      await server.killAll();
      patient.remove();
    });
    damage(patient, patient.devices[1] as string);
    await server.start();
    await client.login(server.url);
    t.match(readFileSync(logFile, 'utf8'), line, 'a line names it');
    const wrong: string[] = [];
    for (const [name, body] of bodies) {
      const answer = await client.ask('GET', `/${name}`);
      if (answer.status !== 200 || !answer.body.equals(body)) wrong.push(`${name}: ${answer.status}`);
    }
    t.same(wrong, [], 'everything is served');
    t.equal((await client.ask('PUT', '/crash-a/new', Buffer.from('new'))).status, 201);
    t.equal((await client.ask('DELETE', '/crash-a/0')).status, 204);
    const rows = rowsOf('crash-a', (await client.ask('GET', '/crash-a?format=json')).body);
    t.same([...rows.keys()].sort(), [...bodies.keys(), 'crash-a/new'].filter((name) => name !== 'crash-a/0').sort());
    const status = spawnSync(process.execPath, [MAIN, 'status', '--data', patient.data], { encoding: 'utf8' });
    t.comment(status.stdout.trim().split('\n').at(-1));
    t.equal(await server.stop(), 0);
    const { exitCode, summary } = runFsck(patient.data);
    t.ok(exitCode > 0, summary);
  });
}
