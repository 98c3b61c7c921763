/** A dynamic large object as Swift shows it. What it is made of is in object/dynamic.ts. */
import type { ObjectInfo, OpenObject } from '../object/contract.ts';
import { openDynamic as open } from '../object/dynamic.ts';
import type { SwiftCall } from './call.ts';

/** The object that `manifest` stands for: its size, ETag and bytes. */
export async function openDynamic(call: SwiftCall, account: string, manifest: ObjectInfo): Promise<OpenObject> {
  const whole = await open({ store: call.world.store, context: call, account }, manifest);
  // Swift shows the ETag of what has no bytes of its own in quotes.
  return { info: { ...whole.info, etag: `"${whole.info.etag}"` }, open: whole.open };
}
