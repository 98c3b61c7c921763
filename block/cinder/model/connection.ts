/**
 * How an attachment is reached, as Cinder's clients are told: `driver_volume_type` nbd, and fields of our own (docs/block.md).
 * The transport follows from the connector: a unix socket on the volume's own host, TLS with a key of its own from elsewhere.
 */
import type { Attachment, Transport, VolumeLimits } from '../../volumes/contract.ts';
import { invalidInput } from '../refusals.ts';

export type Connector = Readonly<Record<string, unknown>>;

const TRANSPORTS: readonly Transport[] = ['unix', 'tcp', 'vhost-user-blk'];

export function transportOf(connector: Connector, host: string): Transport {
  const asked = connector['transport'];
  if (asked !== undefined) {
    if (TRANSPORTS.includes(asked as Transport)) return asked as Transport;
    throw invalidInput(`the connector's transport is one of ${TRANSPORTS.join(', ')}`);
  }
  return connector['host'] === host ? 'unix' : 'tcp';
}

export interface ConnectionOf {
  readonly attachment: Attachment;
  readonly volumeId: string;
  readonly host: string;
  readonly limits: VolumeLimits;
}

/** Plain data: stored, and shown as `connection_info`. */
export function connectionInfo({ attachment, volumeId, host, limits }: ConnectionOf): Record<string, unknown> {
  const { attachmentId, transport, readOnly, uri, sizeBytes, secretHex } = attachment;
  return {
    driver_volume_type: transport === 'vhost-user-blk' ? 'vhost-user-blk' : 'nbd',
    data: {
      ...{ volume_id: volumeId, attachment_id: attachmentId, volume_host: host, transport, uri },
      ...addressOf(attachment),
      ...(secretHex === undefined ? {} : { tls: { mode: 'psk', identity: attachmentId, secret_hex: secretHex } }),
      ...{ size_bytes: sizeBytes, access_mode: readOnly ? 'ro' : 'rw', discard: true, encrypted: false },
      qos_specs: Object.keys(limits).length === 0 ? null : limits,
    },
  };
}

function addressOf({ transport, uri, attachmentId }: Attachment): object {
  if (transport === 'vhost-user-blk') return { socket_path: uri.replace(/^unix:/, '') };
  const url = new URL(uri);
  const export_name = decodeURIComponent(url.pathname.slice(1)) || attachmentId;
  if (transport === 'unix') return { export: export_name, socket_path: url.searchParams.get('socket') };
  return { export: export_name, host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 10809) };
}

/** For those who may look at a volume but not use it. */
export function withoutSecrets(info: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { driver_volume_type, data } = info as { driver_volume_type: string; data: Record<string, unknown> };
  const { volume_id, attachment_id, access_mode, size_bytes } = data;
  return { driver_volume_type, data: { volume_id, attachment_id, access_mode, size_bytes } };
}
