/** HTML pages of static web sites: the listing of a pseudo-directory, and what is said where there is none. */
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import type { ObjectEntry } from '../object/contract.ts';
import { encodeName } from './names.ts';
import { escapeXml } from './xml.ts';

/** `X-Container-Meta-Web-*`, without blanks around; '' where there is none. */
export interface Site {
  readonly index: string;
  readonly error: string;
  readonly listings: string;
  readonly label: string;
  readonly css: string;
  readonly directoryType: string;
}

const DOCTYPE =
  '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">\n';
const STYLE = `  <style type="text/css">
   h1 {font-size: 1em; font-weight: bold;}
   th {text-align: left; padding: 0px 1em 0px 1em;}
   td {padding: 0px 1em 0px 1em;}
   a {text-decoration: none;}
  </style>
`;
const SUFFIXES = 'KMGTPEZY';

interface Page {
  readonly site: Site;
  /** Decoded, with the version in front. */
  readonly path: string;
  /** Of the pseudo-directory, '' or ending in a slash. */
  readonly prefix: string;
}

/** Of `path` when the site's owner wants none shown. */
export function noListingPage(page: Page): string {
  const { site } = page;
  const missing =
    site.index === ''
      ? ''
      : `<h1>Index File Not Found</h1> <p>The owner of this web site has set <b>X-Container-Meta-Web-Index: ${escapeXml(site.index)}</b>. However, this file is not found.</p>`;
  return `${DOCTYPE}<html>
${head(page)}<body>  <h1>Web Listing Disabled</h1>   <p>The owner of this web site has disabled web listing.</p>   <p>If you are the owner of this web site, you can enable web listing by setting X-Container-Meta-Web-Listings.</p>${missing} </body>
</html>
`;
}

export function listingPage(page: Page, entries: readonly ObjectEntry[]): string {
  const { prefix } = page;
  const parent = prefix === '' ? '' : row('id="parent" class="item"', { link: '../', name: '../' });
  let rows = '';
  for (const entry of entries) {
    if ('prefix' in entry) rows += row('class="item subdir"', linkTo(entry.prefix.slice(prefix.length)));
  }
  for (const entry of entries) {
    if ('prefix' in entry) continue;
    const types = entry.contentType.split('/').map((part) => `type-${escapeXml(part.toLowerCase())}`);
    const about = { size: readableSize(entry.sizeBytes), date: readableTime(entry.stamp) };
    rows += row(`class="item ${types.join(' ')}"`, { ...linkTo(entry.name.slice(prefix.length)), ...about });
  }
  return `${DOCTYPE}<html>
${head(page)} <body>
  <h1 id="title">Listing of ${escapeXml(labelOf(page))}</h1>
  <table id="listing">
   <tr id="heading">
    <th class="colname">Name</th>
    <th class="colsize">Size</th>
    <th class="coldate">Date</th>
   </tr>
${parent}${rows}  </table>
 </body>
</html>
`;
}

function head(page: Page): string {
  const { css } = page.site;
  const link = css === '' ? STYLE : `  <link rel="stylesheet" type="text/css" href="${escapeXml(cssPath(page))}" />\n`;
  return ` <head>\n  <title>Listing of ${escapeXml(labelOf(page))}</title>\n${link} </head>\n`;
}

/** Relative to the container, unless it says where it is. */
function cssPath({ site: { css }, prefix }: Page): string {
  if (/^(\/|https?:\/\/)/.test(css)) return encodeName(css).replaceAll('%3A', ':');
  return '../'.repeat(prefix.split('/').length - 1) + encodeName(css);
}

/** The path of the request, or the site's own name and what follows the container. */
function labelOf({ site: { label }, path }: Page): string {
  return label === '' ? path : `${label}/${path.split('/').slice(4).join('/')}`;
}

interface Cells {
  readonly link: string;
  readonly name: string;
  readonly size?: string;
  readonly date?: string;
}

/** A name that looks like a scheme must not become one. */
function linkTo(name: string): Cells {
  return { link: `${name.startsWith('/') ? './' : ''}${encodeName(name)}`, name: escapeXml(name) };
}

function row(attributes: string, { link, name, size = '&nbsp;', date = '&nbsp;' }: Cells): string {
  return `   <tr ${attributes}>
    <td class="colname"><a href="${link}">${name}</a></td>
    <td class="colsize">${size}</td>
    <td class="coldate">${date}</td>
   </tr>
`;
}

function readableSize(bytes: number): string {
  let value = bytes;
  let suffix = '';
  for (let i = 0; value >= 1024 && i < SUFFIXES.length; i++) {
    value = Math.round(value / 1024);
    suffix = `${SUFFIXES[i]}i`;
  }
  return `${value}${suffix}`;
}

function readableTime(stamp: Stamp): string {
  return new Date(Math.floor(stampMs(stamp))).toISOString().slice(0, 19).replace('T', ' ');
}
