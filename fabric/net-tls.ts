/**
 * TLS over a connection that already stands (STARTTLS): by certificates or by a pre-shared key, both as node:tls has them.
 * Owns the choice of ciphers; knows nothing of the protocol that asked. The only file of the fabric that wraps a socket.
 */
import type net from 'node:net';
import tls from 'node:tls';

export interface TlsCertificate {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface TlsServerOptions {
  readonly role: 'server';
  readonly certificate?: TlsCertificate;
  /** PEM of the authorities whose clients are let in; a client without a certificate of theirs is refused. */
  readonly clientAuthority?: string | Buffer;
  /** Keys by identity; undefined refuses. */
  readonly sharedKey?: (identity: string) => Buffer | undefined;
}

export interface TlsClientOptions {
  readonly role: 'client';
  /** Name the server's certificate must carry; required unless a shared key proves the server. */
  readonly serverName?: string;
  /** PEM of the authorities that are believed; the system's otherwise. */
  readonly authority?: string | Buffer;
  readonly certificate?: TlsCertificate;
  readonly sharedKey?: { readonly identity: string; readonly key: Buffer };
}

export type TlsOptions = TlsServerOptions | TlsClientOptions;

/** Ephemeral suites only, beside TLS 1.3's own; GnuTLS offers the same with "NORMAL:+ECDHE-PSK:+DHE-PSK". */
const PSK_CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:DHE-PSK-AES128-GCM-SHA256';

function serverSocket(raw: net.Socket, options: TlsServerOptions): tls.TLSSocket {
  const { certificate, clientAuthority, sharedKey } = options;
  const context: tls.SecureContextOptions = { minVersion: 'TLSv1.2' };
  if (certificate) Object.assign(context, { cert: certificate.cert, key: certificate.key });
  if (clientAuthority) context.ca = clientAuthority;
  if (!certificate) context.ciphers = PSK_CIPHERS;
  const settings: tls.TLSSocketOptions & { pskCallback?: unknown; ciphers?: string | undefined } = {
    isServer: true,
    secureContext: tls.createSecureContext(context),
    requestCert: clientAuthority !== undefined,
    rejectUnauthorized: clientAuthority !== undefined,
  };
  // Undocumented for a bare TLSSocket, but what tls.Server itself hands it.
  if (sharedKey) settings.pskCallback = (_socket: unknown, identity: string) => sharedKey(identity) ?? null;
  return new tls.TLSSocket(raw, settings);
}

function clientSocket(raw: net.Socket, options: TlsClientOptions): tls.TLSSocket {
  const { authority, certificate, sharedKey, serverName } = options;
  const settings: tls.ConnectionOptions = { socket: raw, minVersion: 'TLSv1.2' };
  if (authority) settings.ca = authority;
  if (certificate) Object.assign(settings, { cert: certificate.cert, key: certificate.key });
  if (serverName) settings.servername = serverName;
  if (sharedKey) {
    settings.ciphers = PSK_CIPHERS;
    settings.pskCallback = () => ({ psk: sharedKey.key as NodeJS.TypedArray, identity: sharedKey.identity });
    // The key proved the server; there is no certificate to look at.
    settings.checkServerIdentity = () => undefined;
  }
  return tls.connect(settings);
}

/** Who the other side is: the key's identity or the subject's common name. */
function identityOf(socket: tls.TLSSocket, shared: string | undefined): string | undefined {
  const subject = socket.getPeerCertificate().subject as { CN?: string | string[] } | undefined;
  const name = subject?.CN;
  return (Array.isArray(name) ? name[0] : name) ?? shared;
}

/** Calls `secured` once when the handshake is done and the other side proven; a failure ends the socket with an error. */
export function startTls(
  raw: net.Socket,
  options: TlsOptions,
  secured: (identity: string | undefined) => void,
): tls.TLSSocket {
  if (options.role === 'client') {
    const socket = clientSocket(raw, options);
    socket.once('secureConnect', () => secured(identityOf(socket, undefined)));
    return socket;
  }
  let shared: string | undefined;
  const { sharedKey } = options;
  const watched = sharedKey && {
    ...options,
    sharedKey: (identity: string) => {
      shared = identity;
      return sharedKey(identity);
    },
  };
  const socket = serverSocket(raw, watched ?? options);
  socket.once('secure', () => {
    const refusal = (socket as unknown as { ssl?: { verifyError(): Error | null } }).ssl?.verifyError();
    if (options.clientAuthority && refusal && !shared) socket.destroy(refusal);
    else secured(identityOf(socket, shared));
  });
  return socket;
}
