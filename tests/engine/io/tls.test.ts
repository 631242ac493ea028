import { afterAll, beforeAll, describe, expect } from "bun:test";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checkCertificates,
  checkClientKey,
  trustedRoots,
} from "../../../engine/io/certificates.ts";
import type { Environment } from "../../../engine/io/env.ts";
import { httpClient, networkFault, readBody, type TlsOptions } from "../../../engine/io/http.ts";
import { requires } from "../../support/requires.ts";
import { type Certificates, makeCertificates } from "../../support/tls_front.ts";

const testTls = requires("openssl");
const DENO = join(import.meta.dir, "../../../node_modules/.bin/deno");

let folder = "";
let certificates: Certificates;
let otherCertificates: Certificates;
let server: ReturnType<typeof createServer>;
let mutual: ReturnType<typeof createServer>;
let base = "";
let mutualBase = "";

beforeAll(async () => {
  if (Bun.which("openssl") === null) return;
  folder = mkdtempSync(join(tmpdir(), "tls-"));
  certificates = makeCertificates(folder);
  mkdirSync(join(folder, "other"));
  otherCertificates = makeCertificates(join(folder, "other"));
  const pair = {
    key: readFileSync(certificates.key),
    cert: readFileSync(certificates.certificate),
  };
  server = createServer(pair, (_request, response) => response.end("hello"));
  const ca = readFileSync(certificates.ca);
  const demanding = { ...pair, ca, requestCert: true, rejectUnauthorized: true };
  mutual = createServer(demanding, (_request, response) => response.end("known"));
  base = `https://127.0.0.1:${await listen(server)}/`;
  mutualBase = `https://127.0.0.1:${await listen(mutual)}/`;
});

afterAll(() => {
  server?.close();
  mutual?.close();
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

function listen(of: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    of.listen(0, "127.0.0.1", () => {
      const address = of.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

/** What the server says, or the code and the fault of the error. */
async function ask(env: Environment, tls: TlsOptions = {}, url: string = base): Promise<string> {
  try {
    const response = await httpClient({ env })({ method: "GET", url, tls });
    return new TextDecoder().decode(await readBody(response, 100));
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
    return `${code} ${networkFault(error)}`;
  }
}

const pem = (path: string): string => readFileSync(path, "utf8");

describe("certificates of servers", () => {
  testTls(
    "a server of an unknown authority is REGISTRY_TLS, told from one without TLS",
    async () => {
      expect(await ask({})).toBe("REGISTRY_TLS certificate");
    },
  );

  testTls("caPem adds an authority", async () => {
    expect(await ask({}, { caPem: pem(certificates.ca) })).toBe("hello");
    expect(await ask({}, { caPem: pem(otherCertificates.ca) })).toBe("REGISTRY_TLS certificate");
  });

  testTls("SSL_CERT_FILE names the authorities, also beside caPem", async () => {
    const env = { SSL_CERT_FILE: certificates.ca };
    expect(await ask(env)).toBe("hello");
    expect(await ask(env, { caPem: pem(otherCertificates.ca) })).toBe("hello");
    expect(await ask({ SSL_CERT_FILE: otherCertificates.ca })).toBe("REGISTRY_TLS certificate");
  });

  testTls("SSL_CERT_DIR names folders whose files need no hashed names", async () => {
    const store = join(folder, "store");
    mkdirSync(store);
    copyFileSync(certificates.ca, join(store, "any-name"));
    writeFileSync(join(store, "README"), "no certificate");
    expect(await ask({ SSL_CERT_DIR: store })).toBe("hello");
    expect(await ask({ SSL_CERT_DIR: `${join(folder, "none")}:${store}` })).toBe("hello");
    expect(await ask({ SSL_CERT_DIR: join(folder, "none") })).toBe("REGISTRY_TLS certificate");
  });

  testTls(
    "a certificate for another name is refused, and serverName is what is checked",
    async () => {
      const caPem = pem(certificates.ca);
      expect(await ask({}, { caPem, serverName: "localhost" })).toBe("hello");
      expect(await ask({}, { caPem, serverName: "other.example" })).toBe(
        "REGISTRY_TLS certificate",
      );
    },
  );

  testTls("insecure takes any certificate", async () => {
    expect(await ask({}, { insecure: true })).toBe("hello");
  });

  testTls("a client certificate is shown when it is asked for", async () => {
    const caPem = pem(certificates.ca);
    expect(await ask({}, { caPem }, mutualBase)).toStartWith("REGISTRY_TLS");
    const client = {
      caPem,
      certificatePem: pem(certificates.certificate),
      keyPem: pem(certificates.key),
    };
    expect(await ask({}, client, mutualBase)).toBe("known");
  });

  testTls(
    "Deno answers the same",
    async () => {
      const run = async (
        ca: string,
        env: Record<string, string>,
        ...urls: string[]
      ): Promise<unknown[]> => {
        const script = join(import.meta.dir, "_deno_transport.ts");
        const child = Bun.spawn([DENO, "run", "-A", "--quiet", script, ca, ...urls], {
          env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
          stdout: "pipe",
          stderr: "inherit",
        });
        const stdout = await new Response(child.stdout).text();
        return stdout
          .trim()
          .split("\n")
          .map((line): unknown => JSON.parse(line));
      };
      const plain = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: () => new Response("plain"),
      });
      const { port } = plain;
      // A proxy that is not there: nothing of this machine goes to it.
      const env = { HTTP_PROXY: "http://127.0.0.1:9", HTTPS_PROXY: "http://127.0.0.1:9" };
      try {
        expect(await run(certificates.ca, env, base, `https://127.0.0.1:${port}/`)).toEqual([
          { body: "hello" },
          { code: "REGISTRY_TLS", fault: "no-tls" },
        ]);
        expect(await run("", {}, base, "http://unknown.invalid/")).toEqual([
          { code: "REGISTRY_TLS", fault: "certificate" },
          { code: "REGISTRY_NETWORK", fault: "unresolved" },
        ]);
        expect(await run("", { SSL_CERT_FILE: certificates.ca }, base)).toEqual([
          { body: "hello" },
        ]);
      } finally {
        await plain.stop(true);
      }
    },
    60_000,
  );
});

describe("https through a proxy", () => {
  testTls(
    "the tunnel is asked for by name, with the proxy's credentials, and checked to its end",
    async () => {
      const asked: string[] = [];
      const proxy = createTunnel((request) => void asked.push(request));
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      const address = proxy.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      try {
        const env = { HTTPS_PROXY: `http://me:secret@127.0.0.1:${port}` };
        const url = `https://registry.test:${new URL(base).port}/`;
        const caPem = pem(certificates.ca);
        expect(await ask(env, { caPem, serverName: "localhost" }, url)).toBe("hello");
        expect(asked[0]).toStartWith(`CONNECT ${new URL(url).host} HTTP/1.1`);
        const credentials = Buffer.from("me:secret").toString("base64");
        expect(asked[0]).toMatch(new RegExp(`proxy-authorization: basic ${credentials}`, "i"));
        expect(await ask(env, { caPem }, url)).toBe("REGISTRY_TLS certificate");
      } finally {
        proxy.close();
      }
    },
  );

  /** A proxy that leads every tunnel to this machine. */
  function createTunnel(onRequest: (request: string) => void): Server {
    return createTcpServer((client) => {
      client.on("error", () => {});
      client.once("data", (data) => {
        const request = String(data);
        onRequest(request);
        const port = Number(/^CONNECT [^:]+:(\d+)/.exec(request)?.[1]);
        const target = connect(port, "127.0.0.1", () => {
          client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
          client.pipe(target).pipe(client);
        });
        target.on("error", () => client.destroy());
      });
    });
  }
});

describe("trustedRoots()", () => {
  testTls(
    "trustedRoots() has the certificates that are built in where the machine has none",
    () => {
      const roots = trustedRoots({});
      expect(roots.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(50);
    },
  );

  testTls("trustedRoots() passes over what is no certificate", () => {
    const path = join(folder, "mixed.pem");
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    writeFileSync(path, `${broken}${pem(certificates.ca)}`);
    expect(trustedRoots({ SSL_CERT_FILE: path }).match(/BEGIN/g)).toHaveLength(1);
  });
});

describe("PEM of the user", () => {
  testTls("checkCertificates() refuses what is none", () => {
    checkCertificates(pem(certificates.ca), "the CA certificate");
    for (const bad of [
      "",
      "garbage",
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ]) {
      expect(() => checkCertificates(bad, "the CA certificate")).toThrow(
        expect.objectContaining({ code: "CREDENTIALS_INVALID" }),
      );
    }
  });

  testTls("checkClientKey() refuses what is no key, and the key of another certificate", () => {
    checkClientKey(pem(certificates.key), pem(certificates.certificate));
    for (const bad of ["garbage", pem(otherCertificates.key)]) {
      expect(() => checkClientKey(bad, pem(certificates.certificate))).toThrow(
        expect.objectContaining({ code: "CREDENTIALS_INVALID" }),
      );
    }
  });
});
