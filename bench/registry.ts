import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordedRequest } from "./recorded.ts";
import { startRecorder } from "./recorder.ts";

/** A registry in a process of its own, on a free port of the loopback. */
export interface BenchRegistry {
  /** `127.0.0.1:PORT`, the same all the time. */
  readonly host: string;
  /**
   * Records what is asked of the registry during `work`: it moves to another port, and a recorder
   * takes its place, so that references, and what was signed of them, stay the same.
   */
  record(work: () => Promise<unknown>): Promise<readonly RecordedRequest[]>;
  close(): Promise<void>;
}

/** Starts a server that prints the address it listens on. @param port 0 for a free one. */
type Start = (dir: string, port: number) => Promise<Started>;

interface Started {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts Debian's `docker-registry` in a folder of its own. Whoever starts it closes it. */
export function startDockerRegistry(): Promise<BenchRegistry> {
  return openRegistry(async (dir, port) => {
    const config = join(dir, "config.yml");
    writeFileSync(config, JSON.stringify(dockerConfig(dir, port))); // YAML takes JSON
    return await startServer(["docker-registry", "serve", config], "stderr");
  });
}

/** Starts the registry of `binary` in a folder of its own. Whoever starts it closes it. */
export function startEmbeddedRegistry(binary: string): Promise<BenchRegistry> {
  return openRegistry((dir, port) => {
    const listen = `127.0.0.1:${port}`;
    return startServer([binary, "registry", "serve", "--dir", dir, "--listen", listen], "stdout");
  });
}

async function openRegistry(start: Start): Promise<BenchRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "bench-registry-"));
  let running = await start(dir, 0);
  const { port } = running;
  return {
    host: `127.0.0.1:${port}`,
    record: async (work) => {
      await running.stop();
      running = await start(dir, 0);
      const recorder = startRecorder(port, `127.0.0.1:${running.port}`);
      try {
        await work();
      } finally {
        await recorder.close();
        await running.stop();
        running = await start(dir, port);
      }
      return recorder.requests;
    },
    close: async () => {
      await running.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function dockerConfig(dir: string, port: number): unknown {
  return {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, "data") } },
    http: { addr: `127.0.0.1:${port}` },
  };
}

async function startServer(argv: readonly string[], output: "stdout" | "stderr"): Promise<Started> {
  const child = Bun.spawn([...argv], {
    env: { PATH: process.env["PATH"] ?? "", OTEL_TRACES_EXPORTER: "none" },
    stdin: "ignore",
    stdout: output === "stdout" ? "pipe" : "ignore",
    stderr: output === "stderr" ? "pipe" : "ignore",
  });
  const kill = (): void => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    kill();
    await child.exited;
  };
  const lines = child[output];
  if (lines === undefined) throw new TypeError("Its output is a pipe");
  return { port: await readPort(lines), stop };
}

/** The port in what a server prints; the rest is read on so that it never blocks. */
async function readPort(output: ReadableStream<Uint8Array>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  void (async (): Promise<void> => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of output) {
      if (text.length > 100_000) continue;
      text += decoder.decode(chunk, { stream: true });
      const port = /(?:listening on |http:\/\/)[^"\s]*?:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    }
    reject(new Error(`Cannot start a registry: ${text}`));
  })();
  return await promise;
}
