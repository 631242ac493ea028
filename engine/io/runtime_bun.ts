import type { ConnectionOptions } from "./connection.ts";

/** {@link import("./connection.ts").Transport} of Bun. */
export function bunTransport(
  url: string,
  init: RequestInit,
  connection: ConnectionOptions,
): Promise<Response> {
  const { proxy, caPem, certificatePem, keyPem, serverName, insecure } = connection;
  const extended: BunFetchRequestInit & { decompress: boolean } = {
    ...init,
    decompress: false,
    // Bun would ask the environment, by other rules than ours.
    proxy: proxy === undefined ? false : { url: proxy, respectNoProxy: false },
  };
  if (url.startsWith("https:")) {
    extended.tls = {
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(certificatePem === undefined ? {} : { cert: certificatePem }),
      ...(keyPem === undefined ? {} : { key: keyPem }),
      ...(serverName === undefined ? {} : { serverName }),
      rejectUnauthorized: insecure !== true,
    };
  }
  return fetch(url, extended);
}
