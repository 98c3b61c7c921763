/**
 * Byte strings: one character a byte. uWS hands out JavaScript strings it decoded as UTF-8; these functions turn them
 * back, and say when that cannot be done because bytes were lost.
 */
const NOT_ASCII = /[^\x00-\x7f]/;
const REPLACED = '\ufffd';

/** The bytes that decoded to `text`, or undefined when some were not UTF-8 (U+FFFD stands in their place). */
export function bytesOfUtf8(text: string): string | undefined {
  if (!NOT_ASCII.test(text)) return text;
  if (text.includes(REPLACED)) return undefined;
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** For a native call that would encode a string as UTF-8. */
export function wireValue(byteString: string): string | Buffer {
  return NOT_ASCII.test(byteString) ? Buffer.from(byteString, 'latin1') : byteString;
}
