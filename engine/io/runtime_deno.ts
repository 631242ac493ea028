import { CosignError } from "../model/errors.ts";
import type { ConnectionOptions } from "./connection.ts";

/** One client a way of connecting: it holds the connections that are kept alive. */
const clients: Map<string, Deno.HttpClient> = new Map();
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/**
 * {@link import("./connection.ts").Transport} of Deno. It always checks certificates: `insecure` needs
 * Deno's own flag `--unsafely-ignore-certificate-errors`.
 */
export function denoTransport(
  url: string,
  init: RequestInit,
  connection: ConnectionOptions,
): Promise<Response> {
  const key = JSON.stringify(connection);
  let client = clients.get(key);
  if (client === undefined) {
    client = withoutProxyVariables(() => openClient(url, connection));
    clients.set(key, client);
  }
  const extended: RequestInit & { client: Deno.HttpClient; duplex?: "half" } = { ...init, client };
  if (init.body instanceof ReadableStream) extended.duplex = "half";
  return fetch(url, extended);
}

function openClient(url: string, connection: ConnectionOptions): Deno.HttpClient {
  const { proxy, caPem, certificatePem, keyPem, serverName } = connection;
  if (serverName !== undefined && serverName !== new URL(url).hostname) {
    throw new CosignError(
      "FEATURE_UNAVAILABLE",
      "Cannot check a certificate for another server name: Deno has no such option",
      { hint: "Use the compiled binary for --registry-server-name" },
    );
  }
  return Deno.createHttpClient({
    ...(caPem === undefined ? {} : { caCerts: [caPem] }),
    ...(certificatePem === undefined || keyPem === undefined
      ? {}
      : { cert: certificatePem, key: keyPem }),
    ...(proxy === undefined ? {} : { proxy: { url: proxy } }),
  });
}

/** A client asks the environment for a proxy once, when it is made; the decision is ours. */
function withoutProxyVariables<T>(make: () => T): T {
  const names = PROXY_VARIABLES.flatMap((name) => [name, name.toLowerCase()]);
  const saved = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  try {
    return make();
  } finally {
    for (const [name, value] of saved) if (value !== undefined) process.env[name] = value;
  }
}
