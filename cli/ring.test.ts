// "needletail ring" as an operator meets it: files on disk, what is printed, exit codes.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { decodeAnyRing } from '../ring/any-ring-file.ts';

const main = fileURLToPath(new URL('main.js', import.meta.url));
const runTimeoutMs = 20_000;
t.setTimeout(240_000);

function workspace(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'ring-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const run = (line: string) => {
    const args = [main, 'ring', ...line.split(' ')];
    const env = { ...process.env, DEBUG: '' };
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: runTimeoutMs, env });
  };
  const done = (line: string): string => {
    const { status, stdout, stderr } = run(line);
    t.equal(status, 0, `${line}: ${stderr}`);
    return stdout;
  };
  return { folder, run, done };
}

/** The same for every test that wants it: each command is a process of its own. */
let fiveZoneBuilder: Buffer | undefined;

function fiveZones({ folder, done }: Pick<ReturnType<typeof workspace>, 'folder' | 'done'>): void {
  const file = join(folder, 'o.builder');
  if (fiveZoneBuilder) return writeFileSync(file, fiveZoneBuilder);
  done('create o.builder 8 3 1');
  for (const zone of [1, 2, 3, 4, 5]) done(`add o.builder r1z${zone}-10.0.0.${zone}:6200/sda 100`);
  fiveZoneBuilder = readFileSync(file);
}

t.test('a ring from nothing, then a change', async (t) => {
  const { folder, done } = workspace(t);
  fiveZones({ folder, done });
  t.match(done('rebalance o.builder --seed 7'), /768 newly assigned.*Wrote o\.ring\./s);
  const before = decodeAnyRing(readFileSync(join(folder, 'o.ring')));
  t.equal(before.table.length, 3);
  t.match(done('set-weight o.builder 10.0.0.2:6200/sda 50'), /weight 100 is now 50/);
  t.match(done('remove o.builder d4'), /Removing device 4/);
  t.match(done('show o.builder'), /Changed since the last rebalance.*removing/s);
  const report = JSON.parse(done('rebalance o.builder --json'));
  t.same(report.removedDevices, [4]);
  t.equal(report.dispersion, 0);
  const after = decodeAnyRing(readFileSync(join(folder, 'o.ring')));
  const differing = after.table.flatMap((row, replica) =>
    [...row].filter((id, p) => id !== before.table[replica]?.[p]),
  );
  t.equal(differing.length, report.moved, 'it says what it moved');
  t.equal(after.devices[4], null);
  const shown = JSON.parse(done('show o.builder --json'));
  t.equal(shown.devices.length, 4);
  t.same(JSON.parse(done('show o.ring --json')).devices, shown.devices);
  done('set o.builder --overload 0.1 --min-part-hours 0');
  for (const file of ['o.builder', 'o.ring']) t.match(done(`validate ${file}`), /is valid/);
  t.same(readdirSync(folder).sort(), ['o.builder', 'o.ring'], 'no temporary file stays');
});

t.test('the same commands and seed make the same ring file', async (t) => {
  const rings = [1, 2].map(() => {
    const { folder, done } = workspace(t);
    fiveZones({ folder, done });
    done('rebalance o.builder');
    return readFileSync(join(folder, 'o.ring'));
  });
  t.same(rings[0], rings[1]);
});

t.test('a failure is one line, exit 1, and changes no file', async (t) => {
  const { folder, run, done } = workspace(t);
  fiveZones({ folder, done });
  done('rebalance o.builder');
  const builder = readFileSync(join(folder, 'o.builder'));
  writeFileSync(join(folder, 'bad.builder'), builder.toString('utf8').replace('"weight":100', '"weight":101'));
  writeFileSync(join(folder, 'bad.ring'), readFileSync(join(folder, 'o.ring')).subarray(0, 200));
  const failures: [string, RegExp][] = [
    ['create o.builder 8 3 1', /exists already/],
    ['show missing', /no file missing/],
    ['show bad.builder', /checksum/],
    ['validate bad.ring', /not a usable ring file/],
    ['rebalance o.builder', /no partition was moved/],
    ['add o.builder here 1', /"here" is not/],
    ['add o.builder z1-10.0.0.1:6200/sda 1', /device 0 is already/],
    ['remove o.builder d0 d9', /no device "d9"/],
    ['set-weight o.builder d9 1', /no device "d9"/],
    ['import new.builder o.ring', /does not start with R1NG/],
    ['rebalance o.builder --ignore-min-part-hours --output nowhere/o.ring', /./],
  ];
  for (const [line, message] of failures) {
    const { status, stderr } = run(line);
    t.equal(status, 1, line);
    t.match(stderr, /^needletail: [^\n]+\n$/);
    t.match(stderr, message);
  }
  t.same(readFileSync(join(folder, 'o.builder')), builder);
  t.notOk(existsSync(join(folder, 'new.builder')));
});

t.test('misuse is exit 2', async (t) => {
  const { run } = workspace(t);
  for (const line of [
    'create x 10 3',
    'create x 99 3 1',
    'create x 10 0 1',
    'set-weight x d1 heavy',
    'bogus',
    'show',
  ]) {
    t.equal(run(line).status, 2, line);
  }
});

t.test('too few devices', async (t) => {
  const { run, done } = workspace(t);
  done('create o.builder 8 3 1');
  done('add o.builder z1-10.0.0.1:6200/sda 1');
  const { status, stderr } = run('rebalance o.builder');
  t.equal(status, 1);
  t.match(stderr, /3 replicas need at least 3 devices with a weight, there are 1/);
});

t.test("an operator's Swift ring comes along", async (t) => {
  const { folder, done } = workspace(t);
  const source = new URL('../../ring/testdata/swift-five.ring.gz', import.meta.url);
  writeFileSync(join(folder, 'object.ring.gz'), readFileSync(source));
  done('import object.builder object.ring.gz');
  const swift = decodeAnyRing(readFileSync(source));
  t.same(decodeAnyRing(readFileSync(join(folder, 'object.ring'))).table, swift.table, 'every partition where it was');
  t.match(done('show object.ring.gz'), /64 partitions, 3 replicas/);
  done('add object.builder r1z1-10.0.9.9:6200/new 100');
  done('rebalance object.builder --ignore-min-part-hours');
  done('validate object.builder');
});
