import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files in PEM: an authority of our own, and a server's certificate that it signed. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes {@link Certificates} for `127.0.0.1` and `localhost` in `folder`, by `openssl`. */
export function makeCertificates(folder: string): Certificates {
  const path = (name: string): string => join(folder, name);
  const extensions = path("server.ext");
  writeFileSync(extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = ["-keyout", path("ca.key"), "-out", path("ca.pem"), "-subj", "/CN=tests"];
  openssl(
    "req",
    "-x509",
    ...curve,
    ...ca,
    "-days",
    "2",
    "-addext",
    "keyUsage=critical,keyCertSign",
  );
  const request = [
    "-keyout",
    path("server.key"),
    "-out",
    path("server.csr"),
    "-subj",
    "/CN=server",
  ];
  openssl("req", ...curve, ...request);
  const signing = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-set_serial", "1"];
  const server = ["-in", path("server.csr"), "-out", path("server.pem"), "-extfile", extensions];
  openssl("x509", "-req", ...server, ...signing, "-days", "2");
  return { ca: path("ca.pem"), certificate: path("server.pem"), key: path("server.key") };
}

/** A server that speaks TLS and hands every request to a registry behind it. */
export interface TlsFront {
  readonly host: string;
  close(): Promise<void>;
}

/** Starts a {@link TlsFront} for the registry at `upstream` (`127.0.0.1:PORT`) on a free port. */
export function startTlsFront(upstream: string, certificates: Certificates): TlsFront {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(certificates.certificate), key: Bun.file(certificates.key) },
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      return fetch(`http://${upstream}${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        ...(request.body && { body: request.body }),
        redirect: "manual",
        decompress: false,
      });
    },
  });
  return { host: `127.0.0.1:${server.port}`, close: () => server.stop(true) };
}

function openssl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}
