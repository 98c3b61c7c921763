/**
 * A copy of a volume's file at one moment by shared blocks, where the file system can. Where it cannot, a clone is a volume
 * that is filled from a snapshot of the other (volume.ts, fill.ts).
 */
import type { VolumeContext } from './volume-context.ts';

/** The guest's writes that were answered are in it; as after a power cut, with nothing lost. Durable. */
export async function tryReflink(context: VolumeContext, targetData: string): Promise<boolean> {
  const { files } = context.world;
  if (!(await files.reflink(context.paths.data, targetData))) return false;
  await files.sync(targetData);
  return true;
}
