/** A whole snapshot into a sink: several chunks at once, holes told as such, memory bounded by the streams. */
import { Fault } from '../../fabric/errors.ts';
import type { ChunkSource, RestoreOptions, RestoreResult, RestoreSink } from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { forEach } from './parallel.ts';

const STREAMS = 8;
const STREAMS_MAX = 64;
/** A part of the volume whose map is asked for at once. */
const MAP_CHUNKS = 64 * 1024;

export async function restoreTo(
  source: ChunkSource,
  sink: RestoreSink,
  { streams = STREAMS, onProgress, cancelled }: RestoreOptions,
): Promise<RestoreResult> {
  if (streams < 1 || streams > STREAMS_MAX) throw new Fault(repositoryFaults.invalid, { streams });
  let [writtenBytes, zeroBytes] = [0, 0];
  const check = (): void => {
    if (cancelled?.()) throw new Fault(repositoryFaults.cancelled);
  };
  const tell = (): void => onProgress?.(writtenBytes + zeroBytes, source.sizeBytes);
  await forEach(steps(source), streams, async (step) => {
    check();
    if ('hole' in step) {
      await sink.zero?.(step.hole.offset, step.hole.length);
      zeroBytes += step.hole.length;
      return tell();
    }
    const chunk = await source.readChunk(step.index);
    if (chunk === undefined) throw new Fault(repositoryFaults.corrupt, { reason: 'map', index: step.index });
    check();
    await sink.write(step.index * source.chunkBytes, chunk);
    writtenBytes += chunk.length;
    tell();
  });
  return { writtenBytes, zeroBytes };
}

type Step = { readonly index: number } | { readonly hole: { readonly offset: number; readonly length: number } };

async function* steps(source: ChunkSource): AsyncGenerator<Step> {
  const { sizeBytes, chunkBytes } = source;
  const span = MAP_CHUNKS * chunkBytes;
  for (let offset = 0; offset < sizeBytes; offset += span) {
    const extents = await source.map(offset, Math.min(span, sizeBytes - offset));
    for (const extent of extents) {
      const end = extent.offset + extent.length;
      if (!extent.data) yield { hole: extent };
      else for (let at = extent.offset; at < end; at += chunkBytes) yield { index: at / chunkBytes };
    }
  }
}
