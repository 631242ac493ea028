import { basename } from "node:path";
import { unsafeVariable } from "./engine/io/env.ts";
import { isFirstThread } from "./engine/io/runtime_thread.ts";
import type { PluginTable, UserPlugins } from "./engine/plugin_host/table.ts";

let isFaulty = false;

/** The program: the command line in the main thread, a worker of a batch in every other. */
async function main(): Promise<void> {
  process.on("unhandledRejection", onFault);
  process.on("uncaughtException", onFault);
  const program = calledAs();
  const words = process.argv.slice(2);
  const argv =
    program === "sget" ? (await import("./engine/cli/sget_line.ts")).sgetLine(words) : words;
  const runtime = { name: runtimeName(), platform: `${process.platform}/${process.arch}` };
  if (argv.length === 1 && argv[0] === "version" && unsafeVariable(process.env) === undefined) {
    // Scripts ask for it all the time: it needs no command line to be read, nor a stream.
    const { versionText } = await import("./engine/cli/commands/version.ts");
    console.log(versionText(runtime));
    return;
  }
  const { standardOutput } = await import("./engine/io/standard_output.ts");
  const { runCli } = await import("./engine/cli/run.ts");
  const code = await runCli(argv, {
    program: program === "cosign" || program === "sget" ? program : "cosign-ts",
    env: process.env,
    runtime,
    stdout: standardOutput(1),
    stderr: standardOutput(2),
    plugins: pluginTable,
    examples: async () => (await import("./examples/plugins/texts.ts")).EXAMPLES,
  });
  process.exitCode = isFaulty && code === 0 ? 1 : code;
}

/** What another thread is for, its data says. */
async function runThread(): Promise<void> {
  const { workerData } = await import("node:worker_threads");
  const { isEvaluatorSetup } = await import("./engine/conditions/messages.ts");
  if (isEvaluatorSetup(workerData)) {
    await (await import("./engine/conditions/evaluator_thread.ts")).runEvaluator(workerData);
  } else {
    const { runWorker } = await import("./engine/batch/worker.ts");
    runWorker(pluginTable);
  }
}

/** Which plugins there are; loaded when somebody asks. */
async function pluginTable(declared: readonly UserPlugins[] = []): Promise<PluginTable> {
  const { makePluginTable } = await import("./engine/plugin_host/table.ts");
  const { parsePluginManifest } = await import("./engine/plugin_host/manifest.ts");
  const { LINKS, MANIFEST } = await import("./plugins/builtin.ts");
  const path = process.env["PATH"] ?? "";
  return makePluginTable(parsePluginManifest(MANIFEST), LINKS, { declared, path });
}

/** The name of the executable, or of the link to it: `cosign`, `sget`. */
function calledAs(): string {
  return basename(process.argv0).replace(/\.exe$/i, "");
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `bun ${bun}`;
  return deno === undefined ? `node ${node}` : `deno ${deno}`;
}

/** A fault of this program: said in one line, and never a success. */
function onFault(error: unknown): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`Error: Internal fault: ${text.replaceAll(/\s+/g, " ")}\n`);
  isFaulty = true;
  process.exitCode = 1;
}

if (isFirstThread()) main().catch(onFault);
else await runThread();
