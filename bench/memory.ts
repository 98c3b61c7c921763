/**
 * `npm run bench -- memory`: one very large object goes in and comes out, on each engine, while the server's memory is
 * looked at. What is wanted is a flat line: bodies stream, so memory must not depend on how large the object is.
 */
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { request } from 'undici';
import { writeSections } from './document.ts';
import { startEmbedded } from './embedded.ts';
import { bodyOf } from './load/plan.ts';
import { list, oneOf, parseSize, sizeText } from './options.ts';
import { DOORS } from './peers/s3-cost.ts';
import { number } from './report.ts';
import { machineLine, writeResult } from './result-format.ts';
import { type Curve, curveText, MemorySampler } from './sample-memory.ts';
import { Caller, makeContainer, send, type Target } from './target.ts';

const MIB = 1 << 20;
const BLOCK = bodyOf(MIB);
const WARMUP_BYTES = 64 * MIB;
const SETTLE_MS = 3000;
const ANSWER_MS_MAX = 600_000;
const CONTAINER = 'needletail-bench-memory';
const DOOR_IDS = DOORS.map(({ id }) => id);

export const MEMORY_HELP = `npm run bench -- memory [options]
  --size SIZE           of the object, default 5g (the largest in one piece); three copies of it must fit on the disk
  --doors LIST          of ${DOOR_IDS.join(',')}; default all
  --processes inline|zones  of the cluster, default inline
  --dir DIR             where the cluster keeps its data while it runs
  --out FILE.json       every sample; --write-docs: the curves into docs/benchmarks.md
`;

interface Memory {
  readonly door: string;
  readonly title: string;
  readonly bytes: number;
  /** After a smaller object went the same way, and a pause. */
  readonly idlePssMiB: number;
  readonly put: Curve;
  readonly get: Curve;
}

export async function memory(args: readonly string[]): Promise<boolean> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { size: text, doors: text, processes: text, dir: text, out: text, 'write-docs': { type: 'boolean' } },
  });
  const bytes = parseSize(values.size ?? '5g');
  const wanted = list(values.doors ?? DOOR_IDS.join(',')).map((id) => oneOf('doors', id, DOOR_IDS));
  const processes = oneOf('processes', values.processes ?? 'inline', ['inline', 'zones'] as const);
  const found: Memory[] = [];
  for (const door of DOORS.filter(({ id }) => wanted.includes(id))) {
    const cluster = await startEmbedded({ processes, ...(values.dir ? { parent: values.dir } : {}) });
    try {
      const target = await cluster.target(door.api, door.port);
      const measured = { door: door.id, title: door.title, ...(await measure(target, cluster.pid, bytes)) };
      found.push(measured);
      console.log(`${textOf(measured)}\n`);
    } finally {
      await cluster.stop();
    }
  }
  const date = new Date().toISOString();
  const machine = machineLine();
  if (values.out) writeResult(values.out, { date, machine, processes, memory: found });
  if (values['write-docs']) {
    const made = `${date.slice(0, 10)}, ${machine}, cluster \`--processes ${processes}\`.`;
    writeSections({ memory: `${made}\n\n\`\`\`text\n${found.map(textOf).join('\n\n')}\n\`\`\`` });
  }
  return true;
}

async function measure(target: Target, pid: number, bytes: number): Promise<Omit<Memory, 'door' | 'title'>> {
  await makeContainer(target, CONTAINER);
  await putLarge(target, Math.min(bytes, WARMUP_BYTES));
  await getLarge(target, Math.min(bytes, WARMUP_BYTES));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { pssMiBMax: idlePssMiB } = new MemorySampler([pid]).end();
  const put = await sampled(pid, () => putLarge(target, bytes));
  const get = await sampled(pid, () => getLarge(target, bytes));
  const caller = new Caller(target);
  await send(caller, caller.object('DELETE', CONTAINER, 'large'));
  return { bytes, idlePssMiB, put, get };
}

async function sampled(pid: number, action: () => Promise<void>): Promise<Curve> {
  const sampler = new MemorySampler([pid]);
  let curve: Curve;
  try {
    await action();
  } finally {
    curve = sampler.end();
  }
  return curve;
}

async function putLarge(target: Target, bytes: number): Promise<void> {
  const caller = new Caller(target);
  const { method, path, headers } = caller.object('PUT', CONTAINER, 'large');
  const answer = await request(caller.origin + path, {
    method: method as 'PUT',
    headers: { ...Object.fromEntries(headers), 'content-length': String(bytes) },
    body: Readable.from(blocks(bytes), { objectMode: false, highWaterMark: MIB }),
    headersTimeout: ANSWER_MS_MAX,
  });
  const reason = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`PUT of ${bytes} bytes: ${answer.statusCode} ${reason.slice(0, 200)}`);
}

async function* blocks(bytes: number): AsyncGenerator<Buffer> {
  for (let left = bytes; left > 0; left -= MIB) yield left >= MIB ? BLOCK : BLOCK.subarray(0, left);
}

/** Compares every byte with what was sent. */
async function getLarge(target: Target, bytes: number): Promise<void> {
  const caller = new Caller(target);
  const { path, headers } = caller.object('GET', CONTAINER, 'large');
  const answer = await request(caller.origin + path, {
    headers: Object.fromEntries(headers),
    headersTimeout: ANSWER_MS_MAX,
    bodyTimeout: ANSWER_MS_MAX,
  });
  let received = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      const from = (received + at) % MIB;
      const length = Math.min(chunk.length - at, MIB - from);
      if (chunk.compare(BLOCK, from, from + length, at, at + length) !== 0)
        throw new Error(`GET: other bytes than were sent, after ${received + at}`);
      at += length;
    }
    received += chunk.length;
  }
  if (answer.statusCode !== 200 || received !== bytes)
    throw new Error(`GET of ${bytes} bytes: ${answer.statusCode} with ${received}`);
}

function textOf({ title, bytes, idlePssMiB, put, get }: Memory): string {
  const rate = ({ seconds }: Curve): string => `${number(bytes / 1e6 / seconds)} MB/s`;
  const top = ({ pssMiBMax, anonymousMiBMax }: Curve): string =>
    `at most ${pssMiBMax.toFixed(0)} MiB PSS, ${anonymousMiBMax.toFixed(0)} MiB of it anonymous`;
  const full = Math.max(put.pssMiBMax, get.pssMiBMax);
  return [
    `${title}, ${sizeText(bytes)}: before ${idlePssMiB.toFixed(0)} MiB; PUT ${rate(put)}, ${top(put)}; GET ${rate(get)}, ${top(get)}`,
    curveText('PUT', put, full),
    curveText('GET', get, full),
  ].join('\n');
}
