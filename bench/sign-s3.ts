/**
 * Signature Version 4 for a load generator: header-signed, body unsigned, as little work per request as the algorithm
 * allows. A client of its own rather than the server's code, so that one mistake cannot hide in both.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from 'node:crypto';

const SIGNED_HEADERS = 'host;x-amz-content-sha256;x-amz-date';
/** With the type of a body as well; SDKs sign it, and a server need not believe one that nobody signed. */
const SIGNED_WITH_TYPE = `content-type;${SIGNED_HEADERS}`;
const PAYLOAD = 'UNSIGNED-PAYLOAD';

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export class S3Signer {
  readonly #keys: S3Keys;
  readonly #host: string;
  #second = 0;
  #timestamp = '';
  #scope = '';
  #key: Buffer = Buffer.alloc(0);

  /** `host` as in the Host header. */
  constructor(keys: S3Keys, host: string) {
    this.#keys = keys;
    this.#host = host;
  }

  /**
   * `path` and `query` percent-encoded, the query sorted; `type` is the Content-Type that goes with it, empty for none. Good
   * for a quarter of an hour.
   */
  headers(method: string, path: string, query: string, type: string): [name: string, value: string][] {
    this.#refresh();
    const signed = type ? SIGNED_WITH_TYPE : SIGNED_HEADERS;
    const typeLine = type ? `content-type:${type}\n` : '';
    const canonical = `${method}\n${path}\n${query}\n${typeLine}host:${this.#host}\nx-amz-content-sha256:${PAYLOAD}\nx-amz-date:${this.#timestamp}\n\n${signed}\n${PAYLOAD}`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    const text = `AWS4-HMAC-SHA256\n${this.#timestamp}\n${this.#scope}\n${digest}`;
    const signature = createHmac('sha256', this.#key).update(text).digest('hex');
    return [
      ['x-amz-content-sha256', PAYLOAD],
      ['x-amz-date', this.#timestamp],
      [
        'Authorization',
        `AWS4-HMAC-SHA256 Credential=${this.#keys.accessKeyId}/${this.#scope}, SignedHeaders=${signed}, Signature=${signature}`,
      ],
    ];
  }

  #refresh(): void {
    const second = Math.floor(Date.now() / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#timestamp = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
    const day = this.#timestamp.slice(0, 8);
    const { region, secretAccessKey } = this.#keys;
    const scope = `${day}/${region}/s3/aws4_request`;
    if (scope === this.#scope) return;
    this.#scope = scope;
    const parts = [day, region, 's3', 'aws4_request'];
    this.#key = parts.reduce((key: Buffer | string, part) => hmac(key, part), `AWS4${secretAccessKey}`) as Buffer;
  }
}
