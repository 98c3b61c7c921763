/**
 * Answers about many objects at once, as Swift's bulk operations and manifests give them: counts, a status for the whole
 * and a line for each object that failed; as text, JSON or XML by the Accept header.
 */
import type { SwiftCall } from './call.ts';
import { acceptedType } from './listing-format.ts';
import { encodeName } from './names.ts';
import { escapeXml } from './xml.ts';

export interface Report {
  /** In order: `Number Deleted`, `Response Status` … */
  readonly fields: readonly (readonly [name: string, value: string | number])[];
  readonly errors: readonly (readonly [path: string, status: string])[];
  /** Root element of the XML form. */
  readonly root: 'upload' | 'delete';
}

export function renderReport(call: SwiftCall, report: Report): { contentType: string; body: string } {
  const contentType = acceptedType(call.header('accept')) ?? 'text/plain';
  if (contentType === 'application/json') return { contentType, body: toJson(report) };
  if (contentType === 'text/plain') return { contentType, body: toText(report) };
  return { contentType, body: toXml(report) };
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
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${report.root}>\n${inner}</${report.root}>\n`;
}
