import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DIGITAL_SIGNATURE, makeAuthority, makeCertificate, SERVER_AUTH } from "./certificates.ts";

/** Answers the requests to a host. */
export type FarHost = (request: Request) => Response | Promise<Response>;

/** Servers of the Internet, on the loopback, under their own names. */
export interface FarHosts {
  /** Variables by which the hosts are reached: a proxy for https, and whom to trust. */
  readonly env: { readonly HTTPS_PROXY: string; readonly SSL_CERT_FILE: string };
  /** To which hosts connections were asked for, those that are not there too. */
  readonly asked: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a proxy that knows `hosts` only, and behind it one server with a certificate for all of them.
 *
 * @param hosts By their names: `oauth2.googleapis.com`.
 */
export async function startFarHosts(hosts: Readonly<Record<string, FarHost>>): Promise<FarHosts> {
  const names = Object.keys(hosts);
  const authority = makeAuthority("far hosts");
  const certificate = makeCertificate({
    subject: "far host",
    issuer: authority,
    keyUsage: DIGITAL_SIGNATURE,
    extendedKeyUsages: [SERVER_AUTH],
    names: names.map((name) => [0x82, name] as const),
  });
  const folder = mkdtempSync(join(tmpdir(), "far-hosts-"));
  const trusted = join(folder, "authority.pem");
  writeFileSync(trusted, authority.pem);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: {
      cert: certificate.pem,
      key: certificate.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    },
    fetch: (request) =>
      hosts[new URL(request.url).hostname]?.(request) ?? new Response(null, { status: 421 }),
  });
  const asked: string[] = [];
  const open = new Set<Socket>();
  const proxy = createServer((client) => {
    open.add(client);
    client.on("error", () => client.destroy()).on("close", () => open.delete(client));
    client.once("data", (head) => {
      const [, host = ""] = /^CONNECT ([^:\s]+):443 HTTP\/1\.1\r\n/.exec(head.toString()) ?? [];
      asked.push(host);
      if (!Object.hasOwn(hosts, host)) return client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      const far = connect(server.port ?? 0, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        client.pipe(far).pipe(client);
      });
      far.on("error", () => client.destroy());
      client.on("close", () => far.destroy());
    });
  });
  const port = await new Promise<number>((resolve) => {
    proxy.listen(0, "127.0.0.1", () => {
      const address = proxy.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  return {
    env: { HTTPS_PROXY: `http://127.0.0.1:${port}`, SSL_CERT_FILE: trusted },
    asked,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      proxy.close();
      await server.stop(true);
      rmSync(folder, { recursive: true });
    },
  };
}
