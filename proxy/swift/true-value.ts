/** What Swift takes for yes, in headers and parameters. */
export function isTrue(value: string | undefined): boolean {
  if (value === undefined) return false;
  return ['true', '1', 'yes', 'on', 't', 'y'].includes(value.toLowerCase());
}
