/** Times as Cinder prints them: UTC, microseconds, no zone. Ours are whole milliseconds. */
export function isoTime(atMs: number | undefined): string | null {
  return atMs === undefined ? null : `${new Date(atMs).toISOString().slice(0, -1)}000`;
}

/** What clients send in filters, with or without a zone; undefined for anything else. */
export function parseTime(text: string): number | undefined {
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(text);
  const ms = Date.parse(hasZone ? text : `${text}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
