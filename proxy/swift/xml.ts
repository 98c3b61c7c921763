/** Text for XML 1.0. Characters that XML cannot carry at all become U+FFFD. */
const SPECIAL = /[&<>"'\r\n\t\0-\x1f\ufffe\uffff]/;
const SPECIALS = /[&<>"'\r\n\t\0-\x1f\ufffe\uffff]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? '\ufffd') : text;
}
