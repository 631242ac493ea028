import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

setDefaultTimeout(60_000); // processes on a busy machine
const root = join(import.meta.dir, "..");
const main = join(root, "main.ts");
const dir = mkdtempSync(join(tmpdir(), "main-"));
afterAll(() => rmSync(dir, { recursive: true }));

function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return Bun.spawn([process.execPath, main, ...argv], {
    cwd: dir,
    env: { PATH: process.env["PATH"] ?? "", HOME: dir, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

describe("main.ts", () => {
  test("runs a command line and ends with its exit code", async () => {
    const version = start(["version"]);
    expect(await version.stdout.text()).toContain("GitVersion:    v");
    expect(await version.exited).toBe(0);
    const wrong = start(["verify", "--nope"]);
    expect(await wrong.stderr.text()).toContain("code: USAGE\n");
    expect(await wrong.exited).toBe(2);
  });

  test("prints the same version whether the command line is read for it or not", async () => {
    const [atOnce, read] = [start(["version"]), start(["version", "--json=false"])];
    expect(await atOnce.stdout.text()).toBe(await read.stdout.text());
  });

  test("does not crash when nobody reads its output", async () => {
    const shell = Bun.spawn(
      [
        "bash",
        "-c",
        `"$0" "$1" plugins list --json | true; echo "\${PIPESTATUS[0]}"`,
        process.execPath,
        main,
      ],
      { cwd: dir, env: { PATH: process.env["PATH"] ?? "", HOME: dir }, stderr: "pipe" },
    );
    expect(await shell.stdout.text()).toBe("0\n");
    expect(await shell.stderr.text()).toBe("");
  });

  test("refuses NODE_TLS_REJECT_UNAUTHORIZED=0 at its start", async () => {
    const refused = start(["version"], { NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    expect(await refused.stderr.text()).toContain("code: ENVIRONMENT_REFUSED\n");
    expect(await refused.stdout.text()).toBe("");
    expect(await refused.exited).toBe(2);
  });

  test("asks before it replaces a private key, and takes only y for yes", async () => {
    const generate = async (answer: string) => {
      const child = Bun.spawn([process.execPath, main, "generate-key-pair"], {
        cwd: dir,
        env: { PATH: process.env["PATH"] ?? "", HOME: dir, COSIGN_PASSWORD: "" },
        stdin: new TextEncoder().encode(answer),
        stdout: "pipe",
        stderr: "pipe",
      });
      const stderr = await child.stderr.text();
      return { code: await child.exited, stderr };
    };
    const written = "Private key written to cosign.key\nPublic key written to cosign.pub\n";
    const question =
      "WARNING: File cosign.key already exists. Overwrite?\nAre you sure you would like to continue? [y/N] ";
    expect(await generate("")).toEqual({ code: 0, stderr: written });
    const before = readFileSync(join(dir, "cosign.key"), "utf8");
    for (const answer of ["n\n", "", "yes\n"]) {
      const { code, stderr } = await generate(answer);
      expect(code).toBe(1);
      expect(stderr).toStartWith(question);
      expect(stderr).toContain("code: PROMPT_DECLINED\n");
    }
    expect(readFileSync(join(dir, "cosign.key"), "utf8")).toBe(before);
    expect(await generate("y\n")).toEqual({ code: 0, stderr: question + written });
    expect(readFileSync(join(dir, "cosign.key"), "utf8")).not.toBe(before);
  });

  test("serves a registry until it is told to stop, and says where", async () => {
    const serving = start([
      "registry",
      "serve",
      "--dir",
      join(dir, "r"),
      "--listen",
      "127.0.0.1:0",
    ]);
    const reader = serving.stdout.getReader();
    const { value } = await reader.read();
    const url = new TextDecoder().decode(value).trim();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    serving.kill("SIGTERM");
    expect(await serving.exited).toBe(0);
  });

  test("loads neither cryptography nor registries for its version", () => {
    const loaded = closure("engine/cli/run.ts", "engine/cli/commands/version.ts");
    expect(loaded).toContain("engine/cli/commands.ts");
    const heavy =
      /^engine\/(?:crypto|formats|verify|plugin_host|registry|keys|artifacts|sign|batch)\/|^(?:valibot|yaml|@noble|@peculiar|tweetnacl|scrypt-js)/;
    expect(loaded.filter((path) => heavy.test(path))).toEqual([]);
  });
});

/** What files load with them: their static imports of values, and theirs. */
function closure(...files: readonly string[]): readonly string[] {
  const found = new Set(files);
  for (const file of found) {
    if (!file.endsWith(".ts")) continue;
    const source = readFileSync(join(root, file), "utf8");
    for (const [, specifier = ""] of source.matchAll(
      /^(?:import|export)\s(?!type\s)(?:[^"';]*?\sfrom\s)?"([^"]+)"/gm,
    )) {
      found.add(specifier.startsWith(".") ? join(dirname(file), specifier) : specifier);
    }
  }
  return [...found];
}
