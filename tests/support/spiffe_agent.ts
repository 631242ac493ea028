import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How the agent answers. */
export interface AgentSettings {
  readonly tokens?: readonly string[];
  /** Of gRPC; 0 when absent. */
  readonly status?: string;
  readonly message?: string;
  readonly fault?:
    | "empty"
    | "nonsense"
    | "beyond"
    | "short"
    | "compressed"
    | "long"
    | "hang"
    | "cut";
}

/** A call that the agent has seen. */
export interface AgentCall {
  readonly path: string;
  readonly method: string;
  readonly contentType: string;
  readonly te: string;
  readonly security: string;
  /** Hexadecimal, with gRPC's prefix. */
  readonly body: string;
}

/** An agent of SPIFFE. */
export interface SpiffeAgent extends AsyncDisposable {
  readonly socket: string;
  /** The next call that it sees. */
  readonly call: () => Promise<AgentCall>;
}

/** Starts an agent: a process of Node's. Whoever starts it ends it. */
export async function startSpiffeAgent(settings: AgentSettings): Promise<SpiffeAgent> {
  const folder = mkdtempSync(join(tmpdir(), "spiffe-"));
  const socket = join(folder, "api.sock");
  const child = Bun.spawn(
    ["node", join(import.meta.dir, "spiffe_agent.mjs"), JSON.stringify({ socket, ...settings })],
    { stdout: "pipe", stderr: "inherit" },
  );
  const lines = readLines(child.stdout);
  if ((await lines.next()).value !== "ready") throw new Error("The agent does not start");
  return {
    socket,
    call: async () => JSON.parse((await lines.next()).value ?? "{}"),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
