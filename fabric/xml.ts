/**
 * XML in and out for request and answer bodies. The only file that imports fast-xml-parser. Reading knows elements and
 * text, nothing else: a document type or an entity declaration is refused before the parser sees it, entities other than
 * the five predefined and character references are refused, depth and element count are bounded. Writing escapes.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { Fault } from './errors.ts';

export const xmlFaults = {
  /** Not well-formed, or more than this reader takes. */
  malformed: 'MalformedXML',
} as const;

const DEPTH_MAX = 16;
const ELEMENTS_MAX = 200_000;
/** An opening tag, a closing one, and as many again for a declaration and comments. */
const TAGS_PER_ELEMENT = 3;
const TAGS_SPARE = 16;
/** What tags may hold in all, attributes included: names are short and nobody here reads attributes. */
const TAG_BYTES_SPARE = 4096;
const TAG_BYTES_EACH = 64;

export interface XmlElement {
  /** Without namespace prefix. */
  readonly name: string;
  /** Character data directly inside, blanks kept. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  removeNSPrefix: true,
  processEntities: false,
  htmlEntities: false,
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: '#cdata',
});

/**
 * The root element. Throws Fault MalformedXML. The size of `bytes` is for the caller to bound, and `elementsMax` as tightly
 * as it can: the parser takes a microsecond a tag, and nothing else runs meanwhile.
 */
export function parseXml(bytes: Uint8Array, elementsMax = ELEMENTS_MAX): XmlElement {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed('not UTF-8');
  }
  if (text.includes('<!DOCTYPE') || text.includes('<!ENTITY') || text.includes('<!ELEMENT'))
    throw malformed('a document type');
  if (text.includes('\0')) throw malformed('a NUL');
  checkTags(text, elementsMax);
  if (XMLValidator.validate(text) !== true) throw malformed('not well-formed');
  const roots = readNodes(parse(text), { left: elementsMax }, 0).children;
  if (roots.length !== 1) throw malformed('not one root element');
  return roots[0] as XmlElement;
}

/** Before the parser spends time on it: how many tags there are, and how much is in them. */
function checkTags(text: string, elementsMax: number): void {
  const tagsMax = elementsMax * TAGS_PER_ELEMENT + TAGS_SPARE;
  let tags = 0;
  let tagBytes = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    if (++tags > tagsMax) throw malformed('too many elements');
    const isText = text.startsWith('<![CDATA[', at);
    const end = isText ? text.indexOf(']]>', at) : text.indexOf('>', at);
    if (end < 0) throw malformed('an open tag');
    if (isText) at = end;
    else tagBytes += end - at;
    if (tagBytes > TAG_BYTES_SPARE + TAG_BYTES_EACH * tags) throw malformed('too much in a tag');
  }
}

function parse(text: string): unknown {
  try {
    return parser.parse(text);
  } catch {
    throw malformed('not well-formed');
  }
}

type Content = { readonly text: string; readonly children: readonly XmlElement[] };

function readNodes(nodes: unknown, budget: { left: number }, depth: number): Content {
  if (!Array.isArray(nodes)) throw malformed('unexpected content');
  if (depth > DEPTH_MAX) throw malformed('too deep');
  const children: XmlElement[] = [];
  let text = '';
  for (const node of nodes as readonly Readonly<Record<string, unknown>>[]) {
    for (const name of Object.keys(node)) {
      if (name === ':@') continue;
      if (name === '#text') text += decodeEntities(String(node[name]));
      else if (name === '#cdata') text += cdataText(node[name]);
      else {
        if (--budget.left < 0) throw malformed('too many elements');
        if (name === '' || name.includes(':')) throw malformed('two prefixes, or nothing behind one');
        children.push({ name, ...readNodes(node[name], budget, depth + 1) });
      }
    }
  }
  return { text, children };
}

function cdataText(nodes: unknown): string {
  const parts = Array.isArray(nodes) ? (nodes as readonly { readonly '#text'?: unknown }[]) : [];
  return parts.map((part) => String(part['#text'] ?? '')).join('');
}

const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,12})(;?)/g, (_, name: string, end: string) => {
    if (end !== ';') throw malformed('a lone &');
    if (name.startsWith('#')) return characterReference(name);
    const value = Object.hasOwn(PREDEFINED, name) ? PREDEFINED[name] : undefined;
    if (value === undefined) throw malformed('an undefined entity');
    return value;
  });
}

function characterReference(name: string): string {
  const code = /^#x[0-9a-fA-F]+$/.test(name)
    ? Number.parseInt(name.slice(2), 16)
    : /^#\d+$/.test(name)
      ? Number(name.slice(1))
      : -1;
  if (code <= 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw malformed('a bad character reference');
  return String.fromCodePoint(code);
}

function malformed(what: string): Fault {
  return new Fault(xmlFaults.malformed, { what });
}

/** Text of the first child of this name, or undefined. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** For text between tags. Control characters become character references (S3 does so, though XML 1.0 forbids most). */
export function escapeXml(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (
      code < 0x20 ||
      code === 0x26 ||
      code === 0x3c ||
      code === 0x3e ||
      code === 0x22 ||
      code === 0x27 ||
      code === 0x7f
    ) {
      return text.replace(/[\x00-\x1f&<>"'\x7f\ufffe\uffff]/g, escapeOne);
    }
  }
  return text;
}

function escapeOne(char: string): string {
  if (char === '&') return '&amp;';
  if (char === '<') return '&lt;';
  if (char === '>') return '&gt;';
  if (char === '"') return '&quot;';
  if (char === "'") return '&apos;';
  return `&#x${char.charCodeAt(0).toString(16)};`;
}

/** `<name>text</name>`, escaped. */
export function xmlElement(name: string, text: string | number | boolean): string {
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : String(text)}</${name}>`;
}
