import { isMainThread } from "node:worker_threads";

let isFaulty = false;

/** The program: the command line in the main thread, a worker of a batch in every other. */
async function main(): Promise<void> {
  // Output into a pipe that nobody reads any more is no reason to crash.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", onOutputError);
  process.on("unhandledRejection", onFault);
  process.on("uncaughtException", onFault);
  const { runCli } = await import("./engine/cli/run.ts");
  const code = await runCli(process.argv.slice(2), {
    env: process.env,
    runtime: { name: runtimeName(), platform: `${process.platform}/${process.arch}` },
    stdout: process.stdout,
    stderr: process.stderr,
    plugins: async () => {
      const { makePluginTable } = await import("./engine/plugin_host/table.ts");
      const { parsePluginManifest } = await import("./engine/plugin_host/manifest.ts");
      const { LINKS, MANIFEST } = await import("./plugins/builtin.ts");
      return makePluginTable(parsePluginManifest(MANIFEST), LINKS);
    },
  });
  process.exitCode = isFaulty && code === 0 ? 1 : code;
}

/** What another thread is for, its data says. */
async function runThread(): Promise<void> {
  const { workerData } = await import("node:worker_threads");
  const { isEvaluatorSetup } = await import("./engine/conditions/messages.ts");
  if (isEvaluatorSetup(workerData)) {
    await (await import("./engine/conditions/evaluator_thread.ts")).runEvaluator(workerData);
  } else (await import("./engine/batch/worker.ts")).runWorker();
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `bun ${bun}`;
  return deno === undefined ? `node ${node}` : `deno ${deno}`;
}

function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") onFault(error);
}

/** A fault of this program: said in one line, and never a success. */
function onFault(error: unknown): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`Error: Internal fault: ${text.replaceAll(/\s+/g, " ")}\n`);
  isFaulty = true;
  process.exitCode = 1;
}

if (isMainThread) main().catch(onFault);
else await runThread();
