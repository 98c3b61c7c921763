/** A request's query, decoded: `+` is a blank, percent-escapes are UTF-8. Names may repeat. */
import { Fault } from '../../fabric/errors.ts';
import { apiFaults } from './faults.ts';

export class Query {
  /** In order. */
  readonly entries: readonly (readonly [name: string, value: string])[];

  constructor(text: string | undefined) {
    this.entries = text ? parse(text) : [];
  }

  /** The last one, as OpenStack's servers do. */
  get(name: string): string | undefined {
    return this.entries.findLast(([one]) => one === name)?.[1];
  }

  has(name: string): boolean {
    return this.entries.some(([one]) => one === name);
  }

  all(name: string): string[] {
    return this.entries.filter(([one]) => one === name).map(([, value]) => value);
  }

  get names(): string[] {
    return [...new Set(this.entries.map(([name]) => name))];
  }

  /** A string, or an array of them where the name is repeated: what schemas of queries are about. */
  toObject(): Record<string, string | string[]> {
    return Object.fromEntries(
      this.names.map((name) => {
        const values = this.all(name);
        return [name, values.length === 1 ? (values[0] as string) : values];
      }),
    );
  }

  /** The same query with names set anew (undefined removes), for links. */
  with(changes: Readonly<Record<string, string | undefined>>): string {
    const kept = this.entries.filter(([name]) => !(name in changes));
    const added = Object.entries(changes).filter((one): one is [string, string] => one[1] !== undefined);
    return [...kept, ...added]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .join('&');
  }
}

function parse(text: string): [string, string][] {
  return text
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const cut = part.indexOf('=');
      return cut < 0 ? [decodeText(part), ''] : [decodeText(part.slice(0, cut)), decodeText(part.slice(cut + 1))];
    });
}

/** Bytes as sent are taken for UTF-8 too. */
function decodeText(text: string): string {
  return decodePercent(text.replaceAll('+', ' '));
}

export function decodePercent(text: string): string {
  if (!/[%\x80-\xff]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`));
  } catch {
    throw new Fault(apiFaults.badRequest, {}, 'The URL contains characters that cannot be decoded.');
  }
}
