/**
 * Answers about many objects at once, as Swift's bulk operations and manifests give them: counts, a status for the whole
 * and a line for each object that failed; as text, JSON or XML by the Accept header.
 */
import type { SwiftCall } from './call.ts';
import { acceptedType, type ListingFormat } from './listing-format.ts';
import { encodeName } from './names.ts';
import { escapeXml } from './xml.ts';

export interface Report {
  /** `Number Deleted`, `Response Status` …; shown in the order of their names. */
  readonly fields: readonly (readonly [name: string, value: string | number])[];
  readonly errors: readonly (readonly [path: string, status: string])[];
  /** Root element of the XML form. */
  readonly root: 'upload' | 'extract' | 'delete';
}

export function renderReport(call: SwiftCall, report: Report): { contentType: string; body: string } {
  const contentType = acceptedType(call.header('accept')) ?? 'text/plain';
  const fields = [...report.fields].sort(([a], [b]) => (a < b ? -1 : 1));
  return { contentType, body: render(contentType, { ...report, fields }) };
}

function render(contentType: ListingFormat, report: Report): string {
  if (contentType === 'application/json') return toJson(report);
  return contentType === 'text/plain' ? toText(report) : toXml(report);
}

function toText(report: Report): string {
  const fields = report.fields.map(([name, value]) => `${name}: ${value}\n`).join('');
  const errors = report.errors.map(([path, status]) => `${encodeName(path)}, ${status}\n`).join('');
  return `${fields}Errors:\n${errors}`;
}

function toJson(report: Report): string {
  const errors = report.errors.map(([path, status]) => [encodeName(path), status]);
  return JSON.stringify({ ...Object.fromEntries(report.fields), Errors: errors });
}

function toXml(report: Report): string {
  const element = (name: string): string => name.toLowerCase().replaceAll(' ', '_');
  const fields = report.fields.map(([name, value]) => {
    return `<${element(name)}>${escapeXml(String(value))}</${element(name)}>\n`;
  });
  const errors = report.errors.map(([path, status]) => {
    return `<object><name>${escapeXml(encodeName(path))}</name><status>${escapeXml(status)}</status></object>\n`;
  });
  const inner = `${fields.join('')}<errors>\n${errors.join('')}</errors>\n`;
  return `<${report.root}>\n${inner}</${report.root}>\n`;
}
