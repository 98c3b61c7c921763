/** What a wire does to a value: the other side gets its own, so that a change on one side never shows on the other. */
export function copyValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copyValue);
  if (typeof value === 'function') throw new TypeError('a function cannot be sent');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, copyValue(field)]));
}
