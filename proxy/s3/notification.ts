/**
 * Get- and PutBucketNotificationConfiguration: which events of a bucket go to which target. A target is a webhook that the
 * operator has configured, and an ARN names it; nothing that a client sends is ever a URL. Functions and EventBridge are
 * refused: there are none.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { eventsLike, type NotificationRule, notificationRules, overlap } from '../object/notification-rules.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const RULES_MAX = 100;
const DOCUMENT = { bytesMax: 256 * 1024, elementsMax: RULES_MAX * 40 } as const;
const ID_LENGTH_MAX = 255;
const ID_BYTES = 12;
const FILTER_VALUE_BYTES_MAX = 1024;

const KINDS = { QueueConfiguration: 'Queue', TopicConfiguration: 'Topic' } as const;
/** Service in the ARN, and the word for it in AWS' messages. */
const SERVICES = { Queue: ['sqs', 'queue'], Topic: ['sns', 'topic'] } as const;
const OTHERS: ReadonlySet<string> = new Set(['CloudFunctionConfiguration', 'EventBridgeConfiguration']);
const RULE_NAMES = {
  Queue: new Set(['Id', 'Queue', 'Event', 'Filter']),
  Topic: new Set(['Id', 'Topic', 'Event', 'Filter']),
} as const;

export async function getNotification(call: S3Call): Promise<HttpResponse> {
  const info = await call.world.store.headContainer(call.context, await resolve(call));
  const rules = notificationRules(info) ?? [];
  return xmlAnswer(call, 'NotificationConfiguration', rules.map(ruleXml).join(''));
}

export async function putNotification(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, DOCUMENT);
  if (root.name !== 'NotificationConfiguration' || root.children.length > RULES_MAX) throw s3Fault('MalformedXML');
  const notification = root.children.map((element) => readRule(call, element));
  checkTogether(notification);
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, {
    s3: { notification: notification.length === 0 ? null : notification },
  });
  return emptyAnswer(call, 200);
}

const invalid = (message: string, name = '', value = ''): Error =>
  s3Fault('InvalidArgument', message, name === '' ? undefined : { ArgumentName: name, ArgumentValue: value });

function readRule(call: S3Call, element: XmlElement): NotificationRule {
  if (OTHERS.has(element.name)) throw s3Fault('NotImplemented', `${element.name} is not implemented.`);
  if (!Object.hasOwn(KINDS, element.name)) throw s3Fault('MalformedXML');
  const kind = KINDS[element.name as keyof typeof KINDS];
  checkChildren(element, RULE_NAMES[kind], 'Event');
  const arn = childText(element, kind)?.trim();
  const events = element.children.filter(({ name }) => name === 'Event').map(({ text }) => readEvent(text.trim()));
  if (arn === undefined || events.length === 0) throw s3Fault('MalformedXML');
  const id = childText(element, 'Id') || call.world.random.bytes(ID_BYTES).toString('base64url');
  if ([...id].length > ID_LENGTH_MAX) throw invalid(`ID length should not exceed allowed limit of ${ID_LENGTH_MAX}`);
  const target = targetOf(call, kind, arn);
  return { id, kind, arn, target, events, ...readFilter(element) };
}

function readEvent(text: string): string {
  const event = text.startsWith('s3:') ? text.slice(3) : '';
  if (eventsLike(event).length > 0) return event;
  throw invalid('The event is not supported for notifications', 'Event', text);
}

/** `arn:…:sqs:region:account:NAME`; MinIO's form has the kind of the target behind the name. */
function targetOf({ world }: S3Call, kind: NotificationRule['kind'], arn: string): string {
  const [service, noun] = SERVICES[kind];
  const [scheme, partition, named, region, account, name, behind, ...more] = arn.split(':');
  const isMinio = account !== undefined && behind === undefined && name === 'webhook';
  const target = isMinio ? account : name;
  const isFormed = scheme === 'arn' && partition !== '' && named === service && more.length === 0;
  if (!isFormed || !target || (behind !== undefined && behind !== 'webhook')) {
    throw invalid('The ARN is not well formed', kind, arn);
  }
  if (region !== '' && region !== world.region) {
    throw invalid(
      'The notification destination service region is not valid for the bucket location constraint',
      kind,
      arn,
    );
  }
  if (world.eventTargets?.has(target)) return target;
  throw invalid(
    'Unable to validate the following destination configurations',
    arn,
    `The destination ${noun} does not exist`,
  );
}

function readFilter(element: XmlElement): Pick<NotificationRule, 'prefix' | 'suffix'> {
  const filter = element.children.find(({ name }) => name === 'Filter');
  if (filter === undefined) return {};
  checkChildren(filter, new Set(['S3Key']));
  const key = filter.children[0];
  if (key === undefined) return {};
  checkChildren(key, new Set(['FilterRule']), 'FilterRule');
  const found: { prefix?: string; suffix?: string } = {};
  for (const rule of key.children) {
    checkChildren(rule, new Set(['Name', 'Value']));
    const name = childText(rule, 'Name')?.trim().toLowerCase();
    const value = childText(rule, 'Value') ?? '';
    if (name !== 'prefix' && name !== 'suffix') {
      throw invalid('filter rule name must be either prefix or suffix', 'FilterRule.Name', name ?? '');
    }
    if (found[name] !== undefined) {
      throw invalid(`Cannot specify more than one ${name} rule in a filter.`, 'FilterRule.Name', name);
    }
    if (Buffer.byteLength(value) > FILTER_VALUE_BYTES_MAX) {
      throw invalid('Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation');
    }
    found[name] = value;
  }
  return found;
}

function checkTogether(rules: readonly NotificationRule[]): void {
  for (const [at, rule] of rules.entries()) {
    for (const other of rules.slice(0, at)) {
      if (rule.id === other.id)
        throw invalid('Same ID used for multiple configurations. IDs must be unique', 'Id', rule.id);
      if (overlap(rule, other)) {
        throw invalid(
          'Configurations overlap. Configurations on the same bucket cannot share a common event type where their prefixes and suffixes overlap.',
        );
      }
    }
  }
}

function ruleXml({ id, kind, arn, events, prefix, suffix }: NotificationRule): string {
  const filterRule = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `<FilterRule>${xmlElement('Name', name)}${xmlElement('Value', value)}</FilterRule>`;
  const rules = filterRule('prefix', prefix) + filterRule('suffix', suffix);
  const filter = rules === '' ? '' : `<Filter><S3Key>${rules}</S3Key></Filter>`;
  const inner =
    xmlElement('Id', id) + xmlElement(kind, arn) + events.map((event) => xmlElement('Event', `s3:${event}`)).join('');
  return `<${kind}Configuration>${inner}${filter}</${kind}Configuration>`;
}
