import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Budgets, createBudgetMemory } from "../../io/budget.ts";
import { childEnvironment } from "../../io/env.ts";
import { explainFileError } from "../../io/files.ts";
import { runProcess } from "../../io/process.ts";
import { onInterrupt, selfCommand } from "../../io/program.ts";
import { LocalShared } from "../../io/shared.ts";
import { CosignError } from "../../model/errors.ts";
import { EXIT } from "../../model/exit_code.ts";
import { openRegistry } from "../../registry/client.ts";
import { type RegistryServer, serveRegistry } from "../../registry/server/serve.ts";
import type { CommandFunction, World } from "../command.ts";
import { demoStore, pushDemoImages, pushImage, tamper } from "../demo_images.ts";
import type { DEMO_FLAGS } from "../flags/batch.ts";
import { userAgent } from "../version.ts";

const STEP_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const PASSWORD = "demo";
const WORKERS = "2";

interface Demo {
  readonly folder: string;
  readonly server: RegistryServer;
  readonly world: World;
  readonly signal: AbortSignal;
}

/**
 * `demo`: a registry of its own with a hundred images and some indexes, signed and verified in bulk;
 * then one is tampered with and one is unsigned, and both are found. Cleaned up at the end.
 */
export const demoCommand: CommandFunction<typeof DEMO_FLAGS> = async (call) => {
  const { flags, stderr } = call;
  const startedMs = performance.now();
  const keep = flags.keep === undefined || flags.keep === "" ? undefined : resolve(flags.keep);
  const folder = await makeFolder(keep);
  const interrupted = new AbortController();
  const forget = onInterrupt(() => interrupted.abort());
  let server: RegistryServer | undefined;
  try {
    server = await serveRegistry({ dir: join(folder, "registry"), hostname: "127.0.0.1", port: 0 });
    const code = await tellStory({ folder, server, world: call, signal: interrupted.signal });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    stderr.write(`\nDone in ${seconds} s. ${goOn(keep, server)}\n`);
    return code;
  } finally {
    forget();
    await server?.close();
    if (keep === undefined) await rm(folder, { recursive: true, force: true });
  }
};

async function tellStory(demo: Demo): Promise<number> {
  const { server, folder, world } = demo;
  const host = `${server.hostname}:${server.port}`;
  const registry = openRegistry(
    { allowHttp: false, allowInsecure: false, userAgent: userAgent(world.runtime.platform) },
    {
      shared: new LocalShared(),
      budgets: new Budgets(createBudgetMemory(), 1),
      env: world.env,
    },
  );
  say(demo, `A registry at ${server.url}, with 100 images and 5 multi-arch indexes`);
  await pushDemoImages(registry, host);
  await writeFile(join(folder, "manifest.yaml"), manifestText(host));
  say(demo, `manifest.yaml:\n${indent(manifestText(host))}`);

  await step(demo, "A key pair", EXIT.ok, "generate-key-pair");
  await step(
    demo,
    "Everything is signed, by two worker threads",
    EXIT.ok,
    "batch",
    "sign",
    "manifest.yaml",
    "--workers",
    WORKERS,
  );
  await step(
    demo,
    "… and verified",
    EXIT.ok,
    "batch",
    "verify",
    "manifest.yaml",
    "--workers",
    WORKERS,
  );

  say(
    demo,
    "Somebody puts other content under demo/app-3:v4 and moves its signature there; demo/app-7:v1 is pushed anew and not signed",
  );
  await tamper(demoStore(registry, host, "app-3"), "v4");
  await pushImage(demoStore(registry, host, "app-7"), "a new build", { tag: "v1" });
  await step(
    demo,
    "Both are found: exit code 12",
    EXIT.noMatchingSignature,
    ...["batch", "verify", "manifest.yaml", "--workers", WORKERS],
    ...["--report", "report.jsonl", "--report", "report.xml"],
  );
  const report = await readFile(join(folder, "report.jsonl"), "utf8");
  say(
    demo,
    `The report, report.jsonl (and report.xml for JUnit), ends with\n${indent(report.trimEnd().split("\n").at(-1) ?? "")}`,
  );
  checkFound(report, host);
  return EXIT.ok;
}

/** Whether exactly the two are found, for the right reasons. */
function checkFound(report: string, host: string): void {
  const found = report
    .split("\n")
    .filter((line) => line.includes('"type":"verdict"') && !line.includes('"outcome":"passed"}'))
    .map((line) => {
      const { target, reason } = JSON.parse(line);
      return `${target} ${reason?.code}`;
    });
  const expected = [
    `${host}/demo/app-3:v4 NO_MATCHING_SIGNATURES`,
    `${host}/demo/app-7:v1 NO_SIGNATURES`,
  ];
  if (found.sort().join() === expected.join()) return;
  throw new CosignError(
    "INTERNAL",
    `Demo: the report has ${found.join(" and ") || "no failure"}, expected ${expected.join(" and ")}`,
  );
}

/** Runs this program as a user would, in a process of its own, and shows the command and what it said. */
async function step(
  { folder, world, signal }: Demo,
  title: string,
  expected: number,
  ...argv: readonly string[]
): Promise<void> {
  const { stderr } = world;
  const variable = argv.includes("verify") ? "" : `COSIGN_PASSWORD=${PASSWORD} `;
  stderr.write(`\n# ${title}\n$ ${variable}cosign-ts ${argv.join(" ")}\n`);
  const { command, args } = selfCommand();
  const result = await runProcess(command, [...args, ...argv], {
    cwd: folder,
    env: {
      ...childEnvironment(world.env),
      COSIGN_PASSWORD: PASSWORD,
      XDG_STATE_HOME: join(folder, "state"),
    },
    timeoutMs: STEP_TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
    failure: "INTERNAL",
  });
  const said = new TextDecoder().decode(result.stdout) + new TextDecoder().decode(result.stderr);
  stderr.write(said);
  if (result.code === expected) return;
  throw new CosignError(
    "INTERNAL",
    `Demo: "cosign-ts ${argv.join(" ")}" ended with ${result.code ?? "a signal"}, expected ${expected}`,
  );
}

async function makeFolder(keep: string | undefined): Promise<string> {
  if (keep === undefined) return await mkdtemp(join(tmpdir(), "cosign-ts-demo-"));
  try {
    await mkdir(keep);
    return keep;
  } catch (error) {
    throw new CosignError(
      "FILE_WRITE",
      `Cannot make directory "${keep}": ${explainFileError(error)}`,
      {
        hint: "Name a directory that does not exist yet",
        cause: error,
      },
    );
  }
}

function manifestText(host: string): string {
  return `version: 1
defaults:
  key: cosign.key
  format: bundle
  transparency: none
  recursive: true
  policy: release
policies:
  release: { keys: [cosign.pub] }
targets:
  - registry: ${host}
    repositories: { include: ["demo/*"] }
`;
}

function goOn(keep: string | undefined, { port }: RegistryServer): string {
  if (keep === undefined) {
    return "Everything was cleaned up; to keep it and go on from there: cosign-ts demo --keep DIR";
  }
  return `Go on from there:
  cd ${keep}
  cosign-ts registry serve --dir registry --listen 127.0.0.1:${port} &
  COSIGN_PASSWORD=${PASSWORD} cosign-ts batch sign manifest.yaml --skip-signed
  cosign-ts batch verify manifest.yaml`;
}

function say({ world }: Demo, text: string): void {
  world.stderr.write(`\n# ${text}\n`);
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, "  ");
}
