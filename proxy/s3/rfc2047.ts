/**
 * Metadata values that are not ASCII, as S3 treats them: encoded words (RFC 2047) are decoded before storing, so that other
 * APIs see the text itself, and values in UTF-8 are encoded when given out. Byte strings (latin1) in and out.
 */
const WORD_TEXT_BYTES_MAX = 45;

/** Decodes a value made of encoded words; any other value, or one with a bad or unsafe word, comes back as it is. */
export function decodeWords(value: string): string {
  if (!value.includes('=?') || !value.endsWith('?=')) return value;
  let out = '';
  for (const word of value.split(' ')) {
    if (word === '') continue;
    const bytes = decodeWord(word);
    if (bytes === undefined) return value;
    out += bytes;
  }
  return /[\x00-\x1f\x7f]/.test(out) ? value : out;
}

function decodeWord(word: string): string | undefined {
  const match = /^=\?([A-Za-z0-9-]+)\?([BbQq])\?([^? ]*)\?=$/.exec(word);
  if (match === null) return undefined;
  const [, charset = '', encoding = '', text = ''] = match;
  const bytes = encoding.toLowerCase() === 'b' ? decodeBase64(text) : decodeQ(text);
  if (charset.toLowerCase() === 'utf-8' || charset.toLowerCase() === 'us-ascii') return bytes;
  if (charset.toLowerCase() !== 'iso-8859-1' || bytes === undefined) return undefined;
  return Buffer.from(bytes, 'utf8').toString('latin1');
}

function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, 'base64').toString('latin1');
}

function decodeQ(text: string): string {
  const plain = text.replaceAll('_', ' ');
  return plain.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Valid UTF-8 beyond ASCII becomes encoded words; bytes that are no UTF-8 go out as they came in. */
export function encodeWords(value: string): string {
  let ascii = true;
  for (let i = 0; i < value.length && ascii; i++) ascii = value.charCodeAt(i) < 0x80;
  if (ascii) return value;
  const text = Buffer.from(value, 'latin1').toString('utf8');
  if (text.includes('\ufffd')) return value;
  const words: string[] = [];
  let word = '';
  for (const char of text) {
    if (Buffer.byteLength(word + char) > WORD_TEXT_BYTES_MAX) {
      words.push(word);
      word = '';
    }
    word += char;
  }
  words.push(word);
  return words.map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`).join(' ');
}
