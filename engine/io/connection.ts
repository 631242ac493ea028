/** How a connection is made: what `fetch` leaves to the runtime. */
export interface ConnectionOptions {
  /** URL of the proxy; direct when absent, whatever the environment says. */
  readonly proxy?: string;
  /** PEM of the certificates that servers are checked against. */
  readonly caPem?: string;
  readonly certificatePem?: string;
  readonly keyPem?: string;
  readonly serverName?: string;
  readonly insecure?: boolean;
}

/** `fetch`, told how to connect. Redirects are not followed and bodies not decompressed. */
export type Transport = (
  url: string,
  init: RequestInit,
  connection: ConnectionOptions,
) => Promise<Response>;
