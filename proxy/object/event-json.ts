/**
 * An event as S3 writes it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import type { QueuedEvent, Told } from './event-queue.ts';

const plain = (account: string): string => account.replace(/^AUTH_/, '');

/** As in a form: `/` alone stays. */
const encodeKey = (key: string): string =>
  encodeURIComponent(key)
    .replace(/%20/g, '+')
    .replace(/%2F/g, '/')
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

/** `note`: when it was noted, which is its time. */
export function eventJson(region: string, note: Stamp, event: QueuedEvent & { readonly told: Told }): string {
  const { account, container, name, told } = event;
  const owner = { principalId: plain(account) };
  const record = {
    eventVersion: '2.3',
    eventSource: 'aws:s3',
    awsRegion: region,
    eventTime: new Date(stampMs(note)).toISOString(),
    eventName: event.event,
    userIdentity: { principalId: event.who },
    requestParameters: { sourceIPAddress: event.address },
    responseElements: { 'x-amz-request-id': event.request, 'x-amz-id-2': note },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: event.rule,
      bucket: { name: container, ownerIdentity: owner, arn: `arn:aws:s3:::${container}` },
      object: {
        key: encodeKey(name),
        ...(told.sizeBytes !== undefined && { size: told.sizeBytes }),
        ...(told.etag !== undefined && { eTag: told.etag }),
        ...(told.versionId !== undefined && { versionId: told.versionId }),
        sequencer: told.stamp.toUpperCase(),
      },
    },
  };
  return JSON.stringify({ Records: [record] });
}
