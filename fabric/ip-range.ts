/** Whether an address lies in a range, IPv4 and IPv6 alike. The only file that imports ipaddr.js. */
import ipaddr from 'ipaddr.js';

/**
 * `range`: an address, or `address/bits` whose address has no bits below them. False for anything else, and for an
 * address of the other family; an IPv4 address written as IPv6 counts as IPv4.
 */
export function isInIpRange(address: string, range: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const asked = ipaddr.process(address);
  if (!range.includes('/')) return isFullAddress(range) && ipaddr.process(range).toString() === asked.toString();
  const [network = '', bits = ''] = range.split('/');
  if (!isFullAddress(network) || !/^\d{1,3}$/.test(bits) || !ipaddr.isValidCIDR(range)) return false;
  const [start, length] = ipaddr.parseCIDR(range);
  if (start.kind() !== asked.kind()) return false;
  const lowest = start.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  if (lowest.networkAddressFromCIDR(range).toString() !== start.toString()) return false;
  return asked.match([start, length] as [never, number]);
}

export const isIP = (text: string): boolean => isFullAddress(text);

/** Abbreviations like `127.1` mean different things to different readers. */
function isFullAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || (text.includes(':') && ipaddr.IPv6.isValid(text));
}
