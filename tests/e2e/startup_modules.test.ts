import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { scrubbedEnvironment } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import type { TestRegistry } from "../support/registries.ts";
import { pushImage } from "../support/uploads.ts";

setDefaultTimeout(120_000);
const root = realpathSync(join(import.meta.dir, "../.."));
const packages = realpathSync(join(root, "node_modules"));
const dir = mkdtempSync(join(tmpdir(), "startup-modules-"));
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true });
});

interface Loaded {
  /** Paths of the project. */
  readonly own: readonly string[];
  /** Names of packages, each once. */
  readonly packages: readonly string[];
}

/** Runs the program from its sources, and answers which modules it loaded. */
async function loadedBy(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const record = join(dir, "modules.json");
  const child = Bun.spawn(
    [
      ...[process.execPath, "--preload", join(root, "tests/support/record_modules.ts")],
      ...[join(root, "main.ts"), ...argv],
    ],
    {
      cwd: dir,
      env: { ...scrubbedEnvironment(dir), COSIGN_PASSWORD: "x", ...env, RECORD_MODULES: record },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(stderr);
  const paths: readonly string[] = JSON.parse(readFileSync(record, "utf8"));
  const names = paths
    .filter((path) => path.startsWith(packages))
    .map((path) => /^((?:@[^/]+\/)?[^/]+)/.exec(relative(packages, path))?.[1] ?? path);
  const loaded: Loaded = {
    own: paths.filter((path) => !path.startsWith(packages)).map((path) => relative(root, path)),
    packages: [...new Set(names)].sort(),
  };
  return loaded;
}

const foldersOf = ({ own }: Loaded): readonly string[] =>
  [...new Set(own.map((path) => path.split("/").slice(0, 2).join("/")))].sort();

describe("what is loaded", () => {
  test("by version is what it prints with, and nothing else", async () => {
    const { own, packages: used } = await loadedBy(["version"]);
    expect(own.toSorted()).toEqual([
      "engine/cli/commands/version.ts",
      "engine/cli/version.ts",
      "engine/io/env.ts",
      "engine/io/runtime_thread.ts",
      "engine/model/errors.ts",
      "main.ts",
    ]);
    expect(used).toEqual([]);
  });

  test("by signing with a key file is nothing of plugins, and no package of theirs", async () => {
    await loadedBy(["generate-key-pair"]);
    const digest = await pushImage(registry.host, "startup/modules", "1", "modules");
    const image = `${registry.host}/startup/modules@${digest}`;
    const loaded = await loadedBy(["sign", "--key=cosign.key", "--tlog-upload=false", image]);
    expect(loaded.packages).toEqual([
      "@noble/curves",
      "@noble/hashes",
      "@stricli/core",
      "p-limit",
      "yocto-queue",
    ]);
    // None of engine/plugin_host, plugins, engine/conditions, engine/transparency, engine/trust.
    expect(foldersOf(loaded)).toEqual([
      ..."artifacts batch cli crypto formats io keys model registry sign verify"
        .split(" ")
        .map((folder) => `engine/${folder}`),
      "main.ts",
    ]);
    const verified = await loadedBy([
      "verify",
      "--key=cosign.pub",
      "--insecure-ignore-tlog",
      image,
    ]);
    expect(foldersOf(verified)).toEqual(foldersOf(loaded));
  });
});
