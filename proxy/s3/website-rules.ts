/**
 * A bucket as a website: the document of PutBucketWebsite, and where its rules send a request. Pure. It lies in the
 * container's `s3` map under `website`, as read here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
 */
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { s3Fault } from './errors.ts';
import { checkChildren } from './xml-body.ts';

export interface Redirect {
  readonly protocol?: string | undefined;
  readonly hostName?: string | undefined;
  readonly replaceKeyPrefixWith?: string | undefined;
  readonly replaceKeyWith?: string | undefined;
  readonly code?: string | undefined;
}

export interface RoutingRule {
  readonly prefix?: string | undefined;
  readonly errorCode?: string | undefined;
  readonly redirect: Redirect;
}

export interface Website {
  /** Instead of everything else. */
  readonly redirectAll?: { readonly hostName: string; readonly protocol?: string | undefined } | undefined;
  readonly index?: string | undefined;
  readonly error?: string | undefined;
  readonly rules: readonly RoutingRule[];
}

const RULES_MAX = 50;
/** What a Location can hold. */
const HOST = /^[A-Za-z0-9.:_[\]-]{1,255}$/;
const FIELDS: ReadonlySet<string> = new Set([
  'RedirectAllRequestsTo',
  'IndexDocument',
  'ErrorDocument',
  'RoutingRules',
]);

/** Faults MalformedXML, InvalidArgument, InvalidRequest. */
export function readWebsite(root: XmlElement): Website {
  if (root.name !== 'WebsiteConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, FIELDS);
  const child = (name: string): XmlElement | undefined => root.children.find((each) => each.name === name);
  const all = child('RedirectAllRequestsTo');
  if (all !== undefined) {
    if (root.children.length > 1) {
      throw s3Fault(
        'InvalidRequest',
        'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
      );
    }
    return { redirectAll: readRedirectAll(all), rules: [] };
  }
  const index = child('IndexDocument');
  if (index === undefined) {
    const message = 'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty';
    throw s3Fault('InvalidArgument', message, { ArgumentName: 'IndexDocument', ArgumentValue: 'null' });
  }
  const suffix = only(index, 'Suffix');
  if (suffix === '' || suffix.includes('/')) {
    const fields = { ArgumentName: 'IndexDocument', ArgumentValue: suffix };
    throw s3Fault('InvalidArgument', 'The IndexDocument Suffix is not well formed', fields);
  }
  const error = child('ErrorDocument');
  const errorKey = error && only(error, 'Key');
  if (errorKey === '') throw s3Fault('InvalidArgument', 'The ErrorDocument Key is not well formed');
  return { index: suffix, error: errorKey, rules: readRules(child('RoutingRules')) };
}

/** Text of the one element that there must be. */
function only(element: XmlElement, name: string): string {
  checkChildren(element, new Set([name]));
  const text = childText(element, name);
  if (text === undefined) throw s3Fault('MalformedXML');
  return text;
}

function readRedirectAll(element: XmlElement): NonNullable<Website['redirectAll']> {
  checkChildren(element, new Set(['HostName', 'Protocol']));
  const hostName = childText(element, 'HostName');
  if (hostName === undefined) throw s3Fault('MalformedXML');
  return { hostName: checkHost(hostName), protocol: checkProtocol(childText(element, 'Protocol')) };
}

function checkHost(text: string): string {
  if (HOST.test(text)) return text;
  throw s3Fault('InvalidRequest', 'The provided host name is not valid.');
}

function checkProtocol(text: string | undefined): string | undefined {
  if (text === undefined || text === 'http' || text === 'https') return text;
  const message =
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.';
  throw s3Fault('InvalidRequest', message);
}

function readRules(element: XmlElement | undefined): readonly RoutingRule[] {
  if (element === undefined) return [];
  const count = element.children.length;
  if (count === 0) throw s3Fault('MalformedXML');
  if (count > RULES_MAX) {
    const message = `${count} routing rules provided, the number of routing rules in a website configuration is limited to ${RULES_MAX}.`;
    throw s3Fault('InvalidRequest', message);
  }
  return element.children.map(readRule);
}

function readRule(rule: XmlElement): RoutingRule {
  if (rule.name !== 'RoutingRule') throw s3Fault('MalformedXML');
  checkChildren(rule, new Set(['Condition', 'Redirect']));
  const [condition, redirect] = ['Condition', 'Redirect'].map((name) =>
    rule.children.find((each) => each.name === name),
  );
  if (redirect === undefined) throw s3Fault('MalformedXML');
  return { ...readCondition(condition), redirect: readRedirect(redirect) };
}

function readCondition(condition: XmlElement | undefined): Pick<RoutingRule, 'prefix' | 'errorCode'> {
  if (condition === undefined) return {};
  checkChildren(condition, new Set(['KeyPrefixEquals', 'HttpErrorCodeReturnedEquals']));
  if (condition.children.length === 0) {
    const message =
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.";
    throw s3Fault('InvalidRequest', message);
  }
  const errorCode = childText(condition, 'HttpErrorCodeReturnedEquals');
  if (errorCode !== undefined && !/^[45]\d\d$/.test(errorCode)) {
    throw s3Fault(
      'InvalidRequest',
      `The provided HTTP error code (${errorCode}) is not valid. Valid codes are 4XX or 5XX.`,
    );
  }
  return { prefix: childText(condition, 'KeyPrefixEquals'), errorCode };
}

const REDIRECT_FIELDS: ReadonlySet<string> = new Set([
  'Protocol',
  'HostName',
  'ReplaceKeyPrefixWith',
  'ReplaceKeyWith',
  'HttpRedirectCode',
]);

function readRedirect(element: XmlElement): Redirect {
  checkChildren(element, REDIRECT_FIELDS);
  if (element.children.length === 0) throw s3Fault('MalformedXML');
  const text = (name: string): string | undefined => childText(element, name);
  const [hostName, code] = [text('HostName'), text('HttpRedirectCode')];
  const [replaceKeyPrefixWith, replaceKeyWith] = [text('ReplaceKeyPrefixWith'), text('ReplaceKeyWith')];
  if (replaceKeyPrefixWith !== undefined && replaceKeyWith !== undefined) {
    throw s3Fault('InvalidRequest', 'You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
  }
  if (code !== undefined && !/^30[1-8]$/.test(code)) {
    throw s3Fault(
      'InvalidRequest',
      `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    );
  }
  const host = hostName === undefined ? undefined : checkHost(hostName);
  return { protocol: checkProtocol(text('Protocol')), hostName: host, replaceKeyPrefixWith, replaceKeyWith, code };
}

export function websiteXml({ redirectAll, index, error, rules }: Website): string {
  if (redirectAll !== undefined) {
    const inner = xmlElement('HostName', redirectAll.hostName) + optional('Protocol', redirectAll.protocol);
    return `<RedirectAllRequestsTo>${inner}</RedirectAllRequestsTo>`;
  }
  let xml = `<IndexDocument>${optional('Suffix', index)}</IndexDocument>`;
  if (error !== undefined) xml += `<ErrorDocument>${xmlElement('Key', error)}</ErrorDocument>`;
  if (rules.length > 0) xml += `<RoutingRules>${rules.map(ruleXml).join('')}</RoutingRules>`;
  return xml;
}

const optional = (name: string, text: string | undefined): string => (text === undefined ? '' : xmlElement(name, text));

function ruleXml({ prefix, errorCode, redirect }: RoutingRule): string {
  const condition = optional('KeyPrefixEquals', prefix) + optional('HttpErrorCodeReturnedEquals', errorCode);
  const { protocol, hostName, replaceKeyPrefixWith, replaceKeyWith, code } = redirect;
  const where = optional('Protocol', protocol) + optional('HostName', hostName);
  const what = optional('ReplaceKeyPrefixWith', replaceKeyPrefixWith) + optional('ReplaceKeyWith', replaceKeyWith);
  const inner = where + what + optional('HttpRedirectCode', code);
  return `<RoutingRule>${condition === '' ? '' : `<Condition>${condition}</Condition>`}<Redirect>${inner}</Redirect></RoutingRule>`;
}

/** The first rule for this key; `status` undefined: before the object is looked for. */
export function ruleOf({ rules }: Website, key: string, status: number | undefined): RoutingRule | undefined {
  return rules.find(
    ({ prefix, errorCode }) =>
      key.startsWith(prefix ?? '') && (status === undefined ? errorCode === undefined : errorCode === String(status)),
  );
}

/** The key that a rule makes of `key`. */
export function replacedKey({ prefix, redirect }: RoutingRule, key: string): string {
  if (redirect.replaceKeyWith !== undefined) return redirect.replaceKeyWith;
  if (redirect.replaceKeyPrefixWith === undefined) return key;
  return redirect.replaceKeyPrefixWith + key.slice((prefix ?? '').length);
}
