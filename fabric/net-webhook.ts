/**
 * Posts JSON to one address that the operator has configured. Follows no redirect, reads no more of the answer than its
 * status, and gives up in time.
 */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

const ANSWER_MS = 10_000;
const SOCKETS_MAX = 16;

export interface WebhookOptions {
  /** http: or https: */
  readonly url: string;
  /** Sent as Authorization. */
  readonly authorization?: string | undefined;
  /** Signs each body: X-Needletail-Signature: sha256=HMAC-SHA256 in hex. */
  readonly secret?: string | undefined;
}

export interface Webhook {
  /** Whether it was answered with 2xx. Rejects when nobody answers in time. */
  post(body: string): Promise<boolean>;
  close(): void;
}

export function createWebhook({ url, authorization, secret }: WebhookOptions): Webhook {
  const client = url.startsWith('https:') ? https : http;
  const agent = new client.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  return {
    post: (body) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.from(body, 'utf8');
        const signature = secret === undefined ? undefined : createHmac('sha256', secret).update(bytes).digest('hex');
        const headers = {
          'Content-Type': 'application/json',
          'Content-Length': bytes.length,
          ...(authorization !== undefined && { Authorization: authorization }),
          ...(signature !== undefined && { 'X-Needletail-Signature': `sha256=${signature}` }),
        };
        const signal = AbortSignal.timeout(ANSWER_MS);
        const request = client.request(url, { method: 'POST', headers, agent, signal }, (response) => {
          const { statusCode = 0 } = response;
          response.on('error', reject);
          response.on('close', () => resolve(statusCode >= 200 && statusCode < 300));
          response.resume();
        });
        request.on('error', reject);
        request.end(bytes);
      }),
    close: () => agent.destroy(),
  };
}
