// Our lookup beside OpenStack Swift's own, on rings that Swift's builder made: the same path hash, partition, primaries
// and handoffs for thousands of names. Needs Debian's python3-swift; talks to it over one process and a JSON file.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import { findPython, missingPython } from '../test/tools.ts';
import { decodeAnyRing } from './any-ring-file.ts';
import { createPathHasher } from './path-hash.ts';
import { createRing } from './ring.ts';

const seed = Number(process.env['SEED'] ?? 77);
const nameCount = 2500;
const timeoutMs = 120_000;

/** What Swift is told to make. Each step is a swift-ring-builder command line without the builder's name. */
const builtRings: Readonly<Record<string, readonly string[]>> = {
  five: ['create 10 3 0', ...[1, 2, 3, 4, 5].map((zone) => `add r1z${zone}-10.0.0.${zone}:6200/d 100`), 'rebalance 1'],
  odd: [
    'create 9 3.4 0',
    ...Array.from({ length: 23 }, (_, i) => {
      const weight = [100, 33.3, 250.75, 1, 80][i % 5];
      return `add r${1 + (i % 3)}z${i % 7}-10.0.${i % 4}.${i % 6}:6200R10.9.0.${i}:6300/sd${i}_note${i} ${weight}`;
    }),
    'rebalance 2',
    'remove d3',
    'set_weight d5 0',
    'add r9z1-192.168.1.9:6200/late 500',
    'rebalance 3',
  ],
  two: [
    'create 4 2 1',
    'add r1z1-[fd00::1]:6200/a 1',
    'add r1z1-10.0.0.1:6200/b 3',
    'add r1z2-10.0.0.2:6200/c 2',
    'add r2z1-10.0.0.3:6200/d 0',
    'rebalance 4',
  ],
};

/** Above 2^16 partitions Swift's handoff walk strides; drawn at random because balancing such a ring takes Python long. */
const drawnRing = { partPower: 18, replicas: 3, devices: 40 };

const oracle = `
import json, os, random, sys
from array import array
from swift.cli import ringbuilder
from swift.common import utils
from swift.common.ring.ring import Ring, RingData

folder, task = sys.argv[1], json.load(open(os.path.join(sys.argv[1], 'task.json')))
os.chdir(folder)
sys.stdout = open(os.devnull, 'w')
utils.HASH_PATH_SUFFIX = b'x'
for name, steps in task['rings'].items():
    for step in steps:
        command, *rest = step.split(' ')
        try:
            ringbuilder.main(['swift-ring-builder', name + '.builder', command] + rest)
        except SystemExit as done:
            if done.code == 2:
                sys.exit('%s: %s failed' % (name, step))

drawn = task['drawn']
random.seed(5)
ids = range(drawn['devices'])
devices = [dict(id=i, region=1 + i % 3, zone=i % 5, ip='10.0.%d.%d' % (i % 2, i % 9), port=6200, device='sd%d' % i,
                weight=1.0, meta='') for i in ids]
table = [array('H', random.choices(ids[:-3], k=1 << drawn['partPower'])) for _ in range(drawn['replicas'])]
RingData(table, devices, 32 - drawn['partPower']).save('drawn.ring.gz')

answers = {}
for name in list(task['rings']) + ['drawn']:
    ring = Ring(folder, ring_name=name)
    answers[name] = []
    for index, path in enumerate(task['names']):
        utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = map(bytes.fromhex, task['secrets'][index % len(task['secrets'])])
        partition, nodes = ring.get_nodes(*path)
        answers[name].append([utils.hash_path(*path), partition, [n['id'] for n in nodes],
                              [n['id'] for n in ring.get_more_nodes(partition)]])
json.dump(answers, open('answers.json', 'w'))
`;

const secrets = [
  { prefix: Buffer.from('changeme'), suffix: Buffer.from('ünïcode') },
  { prefix: Buffer.alloc(0), suffix: Buffer.from('suffix only') },
  { prefix: Buffer.from([0xff, 0xfe, 0x00]), suffix: Buffer.from([0x80, 0x41]) },
];

type Name = [account: string, container?: string, object?: string];
type Answer = [hash: string, partition: number, primaries: number[], handoffs: number[]];

t.test(`the same answers as Swift (SEED=${seed})`, { skip: missingPython('swift.cli.ringbuilder') }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ring-swift-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const names = drawNames(createSeededRandom(seed));
  const answers = askSwift(folder, names);
  const hashers = secrets.map((secret) => createPathHasher(secret));
  for (const [ringName, expected] of Object.entries(answers)) {
    const ring = createRing(decodeAnyRing(readFileSync(join(folder, `${ringName}.ring.gz`))));
    t.equal(expected.length, nameCount);
    const found = names.map(([account, container, object], i): Answer => {
      const hash = (hashers[i % hashers.length] as (typeof hashers)[number])(account, container, object);
      const partition = ring.partitionOf(hash);
      const primaries = ring.primaries(partition).map(({ id }) => id);
      return [hash.toString('hex'), partition, primaries, [...ring.handoffs(partition)].map(({ id }) => id)];
    });
    const differing = found.findIndex((answer, i) => JSON.stringify(answer) !== JSON.stringify(expected[i]));
    t.equal(differing, -1, `${ringName}: all names agree`);
    if (differing >= 0) t.same(found[differing], expected[differing], `${ringName}: ${names[differing]}`);
    t.ok(new Set(found.map(([, partition]) => partition)).size > Math.min(15, ring.partitionCount - 1), 'names spread');
  }
  checkWhatElseWasRead(t, folder);
});

function checkWhatElseWasRead(
  t: { same: (found: unknown, wanted: unknown, message: string) => unknown },
  folder: string,
) {
  const odd = decodeAnyRing(readFileSync(join(folder, 'odd.ring.gz')));
  t.same(
    odd.table.map((row) => row.length),
    [512, 512, 512, 204],
    'the fractional replica',
  );
  const { ip, replicationIp, replicationPort, meta, device } = odd.devices[4] ?? {};
  t.same(
    { ip, replicationIp, replicationPort, meta, device },
    { ip: '10.0.0.4', replicationIp: '10.9.0.4', replicationPort: 6300, meta: 'note4', device: 'sd4' },
    'the devices',
  );
}

function askSwift(folder: string, names: readonly Name[]): Record<string, Answer[]> {
  const hexSecrets = secrets.map(({ prefix, suffix }) => [prefix.toString('hex'), suffix.toString('hex')]);
  const task = { rings: builtRings, drawn: drawnRing, names, secrets: hexSecrets };
  writeFileSync(join(folder, 'task.json'), JSON.stringify(task));
  const python = findPython('swift.cli.ringbuilder') ?? 'python3';
  const run = spawnSync(python, ['-c', oracle, folder], { encoding: 'utf8', timeout: timeoutMs });
  if (run.status !== 0) throw new Error(`Swift's side failed: ${run.stderr || run.error}`);
  return JSON.parse(readFileSync(join(folder, 'answers.json'), 'utf8'));
}

function drawNames(random: Random): Name[] {
  const alphabet = ['a', 'Z', '0', '/', ' ', '%', '?', 'ö', 'ß', '写', '真', '💾', '\u0301', '\u00a0', '\n', "'"];
  const text = (length: number) =>
    Array.from({ length: 1 + random.below(length) }, () => alphabet[random.below(alphabet.length)]).join('');
  return Array.from({ length: nameCount }, (_, i): Name => {
    const account = `AUTH_${text(8).replaceAll('/', '-')}`;
    if (i % 10 === 0) return [account];
    const container = text(20).replaceAll('/', '_');
    return i % 10 === 1 ? [account, container] : [account, container, text(60)];
  });
}
