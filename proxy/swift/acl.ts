/**
 * Container ACLs as clients write them: checked and brought into their short form before they are stored. What they grant
 * is decided by the store.
 */
import { refuseAsPage, swiftFaults } from './faults.ts';
import { HEADER_BYTES_MAX } from './metadata.ts';

const REFERRER_WORDS = ['.r', '.ref', '.referer', '.referrer'];

/** `.referrer : *.example.com, bob` → `.r:.example.com,bob`. 400 for what is no ACL. */
export function cleanAcl(header: 'X-Container-Read' | 'X-Container-Write', value: string): string {
  if (value.length > HEADER_BYTES_MAX) throw invalid(`longer than ${HEADER_BYTES_MAX} bytes`);
  const items: string[] = [];
  for (const raw of value.split(',')) {
    const item = raw.trim();
    if (item !== '') items.push(cleanItem(header, item));
  }
  return items.join(',');
}

function cleanItem(header: string, item: string): string {
  const colon = item.indexOf(':');
  const first = (colon < 0 ? item : item.slice(0, colon)).trim();
  const second = colon < 0 ? undefined : item.slice(colon + 1).trim();
  if (second === undefined || !first.startsWith('.')) return item;
  const shown = ascii(item);
  if (!REFERRER_WORDS.includes(first)) throw invalid(`Unknown designator '${ascii(first)}' in ACL: '${shown}'`);
  if (header === 'X-Container-Write') throw invalid(`Referrers not allowed in write ACL: '${shown}'`);
  const negated = second.startsWith('-');
  const host = (negated ? second.slice(1) : second).trim();
  const short = host !== '*' && host.startsWith('*') ? host.slice(1).trim() : host;
  if (short === '' || short === '.')
    throw invalid(`No host/domain value after referrer designation in ACL: '${shown}'`);
  return `.r:${negated ? '-' : ''}${short}`;
}

function invalid(text: string): Error {
  return refuseAsPage(swiftFaults.badRequest, text);
}

function ascii(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?');
}
