import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestRegistry } from "./registries.ts";
import { hasTool } from "./requires.ts";

/** How a registry is started. */
export interface DockerRegistryOptions {
  /** Who may log in by Basic authentication; anybody may do anything when absent. */
  readonly users?: Readonly<Record<string, string>>;
  /** A token server that the registry sends clients to. */
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    /** Path of a PEM file with the certificates that tokens are signed with. */
    readonly certificates: string;
  };
  /** Paths of PEM files: the registry speaks TLS then. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
  /** Whether manifests and blobs may be deleted. Default true. */
  readonly delete?: boolean;
}

/** Whether Debian's `docker-registry` is installed. */
export function hasDockerRegistry(): boolean {
  return hasTool("docker-registry");
}

/**
 * Starts Debian's `docker-registry` (no referrers API, no conditional writes) on a free port of the
 * loopback, in a folder of its own. Whoever starts it closes it.
 */
export async function startDockerRegistry(
  options: DockerRegistryOptions = {},
): Promise<TestRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "docker-registry-"));
  const config = join(dir, "config.yml");
  writeFileSync(config, JSON.stringify(await describeConfig(dir, options)));
  const child = Bun.spawn(["docker-registry", "serve", config], {
    cwd: dir,
    env: { PATH: process.env["PATH"] ?? "", OTEL_TRACES_EXPORTER: "none" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const stop = (): void => child.kill("SIGKILL");
  process.once("exit", stop);
  const close = async (): Promise<void> => {
    process.off("exit", stop);
    stop();
    await child.exited;
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const port = await readPort(child.stderr);
    return {
      name: "docker-registry",
      host: `127.0.0.1:${port}`,
      port,
      dir,
      hasReferrersApi: false,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** YAML takes JSON, so the configuration is written as that. */
async function describeConfig(dir: string, options: DockerRegistryOptions): Promise<unknown> {
  const { users, token, tls } = options;
  return {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(dir, "data") },
      delete: { enabled: options.delete ?? true },
    },
    http: {
      addr: "127.0.0.1:0",
      ...(tls && {
        tls: {
          certificate: tls.certificate,
          key: tls.key,
          ...(tls.clientCa && { clientcas: [tls.clientCa] }),
        },
      }),
    },
    ...(users && {
      auth: { htpasswd: { realm: "tests", path: await writePasswords(dir, users) } },
    }),
    ...(token && {
      auth: {
        token: {
          realm: token.realm,
          service: token.service,
          issuer: token.issuer,
          rootcertbundle: token.certificates,
        },
      },
    }),
  };
}

async function writePasswords(
  dir: string,
  users: Readonly<Record<string, string>>,
): Promise<string> {
  const path = join(dir, "htpasswd");
  const lines = Object.entries(users).map(async ([user, password]) => {
    return `${user}:${await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 })}\n`;
  });
  writeFileSync(path, (await Promise.all(lines)).join(""));
  return path;
}

/** The port that the registry says it listens on; its log is read on so that it never blocks. */
async function readPort(log: ReadableStream<Uint8Array>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  void (async (): Promise<void> => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of log) {
      if (text.length > 100_000) continue;
      text += decoder.decode(chunk, { stream: true });
      const port = /listening on [^"\s]*?:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    }
    reject(new Error(`Cannot start docker-registry: ${text}`));
  })();
  return await promise;
}
