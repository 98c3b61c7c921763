/** The messages that an answer is made of. https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html */
import { xmlElement } from '../../../fabric/xml.ts';
import { encodeMessage, type Headers } from './event-stream-format.ts';

export interface Counts {
  readonly scanned: number;
  readonly processed: number;
  readonly returned: number;
}

const event = (type: string, contentType?: string): Headers => [
  [':message-type', 'event'],
  [':event-type', type],
  ...(contentType === undefined ? [] : ([[':content-type', contentType]] as const)),
];

const CONTINUATION = encodeMessage(event('Cont'));
const END = encodeMessage(event('End'));
const RECORDS = event('Records', 'application/octet-stream');

export const continuation = (): Buffer => CONTINUATION;
export const end = (): Buffer => END;
export const records = (payload: Uint8Array): Buffer => encodeMessage(RECORDS, payload);
export const progress = (counts: Counts): Buffer =>
  encodeMessage(event('Progress', 'text/xml'), report('Progress', counts));
export const stats = (counts: Counts): Buffer => encodeMessage(event('Stats', 'text/xml'), report('Stats', counts));

/** Ends the stream: nothing comes after it. */
export function failure(code: string, message: string): Buffer {
  return encodeMessage([
    [':message-type', 'error'],
    [':error-code', code],
    [':error-message', message],
  ]);
}

function report(name: string, { scanned, processed, returned }: Counts): Buffer {
  const inner =
    xmlElement('BytesScanned', scanned) +
    xmlElement('BytesProcessed', processed) +
    xmlElement('BytesReturned', returned);
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><${name}>${inner}</${name}>`);
}
