/**
 * Reads the PEM files a TLS listener is configured with. The only file of the HTTP front that touches the file system.
 */
import { readFile } from 'node:fs/promises';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Throws the system's own error (ENOENT, EACCES) with the path in it: a listener does not start without its certificate. */
export async function readCertificate(files: CertificateFiles): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readFile(files.certFile), readFile(files.keyFile)]);
  return { cert, key };
}
