/** Reads a ring file of whichever kind it is: our own or one of Swift's. Decodes buffers only. */
import type { RingData } from './contract.ts';
import { decodeRing, isOwnRing, unpackRing } from './ring-file-format.ts';
import { decodeSwiftRing } from './swift-ring-file-format.ts';

/** @throws Fault BadRingFile */
export function decodeAnyRing(file: Uint8Array): RingData {
  return isOwnRing(unpackRing(file)) ? decodeRing(file) : decodeSwiftRing(file);
}
