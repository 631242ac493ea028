import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli } from "../_cli.ts";

setDefaultTimeout(120_000); // processes on a busy machine
const root = join(import.meta.dir, "../../../..");
const examples = join(root, "examples/plugins");
const dir = mkdtempSync(join(tmpdir(), "cli-plugins-"));
afterAll(() => rmSync(dir, { recursive: true }));
const PATH = `${process.env["PATH"] ?? ""}:${join(root, "node_modules/.bin")}`;
const NO_LOG = "--tlog-upload=false";
let files = 0;

function declare(...declarations: readonly Readonly<Record<string, unknown>>[]): string {
  files += 1;
  const path = join(dir, `plugins-${files}.json`);
  const common = { api: 1, source: "process", command: [join(examples, "sigstore-kms-shell")] };
  writeFileSync(path, JSON.stringify(declarations.map((each) => ({ ...common, ...each }))));
  chmodSync(path, 0o644);
  return path;
}

const named = (name: string, scheme = name) => ({ name, provides: { key: [scheme] } });

describe("--plugins", () => {
  test("brings the keys of a program, for every command", async () => {
    const file = declare(named("acme"));
    const [key, blob, bundle] = ["key.pem", "blob", "bundle"].map((name) => join(dir, name));
    writeFileSync(blob ?? "", "x");
    const uri = `acme://${key}`;
    const run = (...argv: string[]) => cli([...argv, "--plugins", file], { PATH, HOME: dir });
    const prefix = join(dir, "acme");
    expect(
      await run("generate-key-pair", "--kms", uri, "--output-key-prefix", prefix),
    ).toMatchObject({ code: 0, stderr: `Public key written to ${prefix}.pub\n` });
    expect(statSync(`${prefix}.pub`).mode & 0o777).toBe(0o600); // as cosign writes it there
    const pem = readFileSync(`${prefix}.pub`, "utf8");
    expect((await run("public-key", "--key", uri)).stdout).toBe(pem);
    expect(
      (await run("sign-blob", NO_LOG, "--key", uri, "--bundle", bundle ?? "", blob ?? "")).code,
    ).toBe(0);
    const verify = ["verify-blob", "--insecure-ignore-tlog", "--bundle", bundle ?? "", blob ?? ""];
    expect((await cli([...verify, "--key", `${prefix}.pub`])).code).toBe(0);
    const unknown = await cli(["public-key", "--key", uri], { PATH, HOME: dir });
    expect(unknown.stderr).toContain("code: PLUGIN_UNKNOWN");
  });

  test("is COSIGN_PLUGINS in the environment", async () => {
    const env = { PATH, HOME: dir, COSIGN_PLUGINS: declare(named("acme")) };
    const { stderr } = await cli(["public-key", "--key", `acme://${join(dir, "none.pem")}`], env);
    expect(stderr).toContain("code: KEY_NOT_FOUND");
    const { stdout } = await cli(["plugins", "list"], env);
    expect(stdout).toMatch(/^key +acme +acme /m);
  });

  test.each([
    ["no list", "{}", "the whole"],
    ["no JSON", "[", "JSON"],
    ["a plugin that is no program", '[{"source":"builtin"}]', "0."],
  ])("refuses a file that holds %s, whatever is done", async (_, text, where) => {
    const file = join(dir, "bad.json");
    writeFileSync(file, text, { mode: 0o600 });
    const { code, stderr } = await cli(["env", "--plugins", file], { HOME: dir });
    expect([code, stderr]).toEqual([1, expect.stringContaining("code: PLUGIN_MANIFEST_INVALID")]);
    expect(stderr).toContain(where);
  });

  test("refuses two claims to one scheme, whatever is done", async () => {
    for (const file of [
      declare(named("thief", "awskms")),
      declare(named("thief", "pkcs11")),
      declare(named("thief", "env")),
      declare(named("one", "same"), named("two", "same")),
    ]) {
      const { stderr } = await cli(["env", "--plugins", file], { HOME: dir });
      expect(stderr).toContain("code: PLUGIN_MANIFEST_INVALID");
      expect(stderr).toContain("is claimed by");
    }
  });

  test("refuses a file that anybody can write to", async () => {
    const file = declare(named("acme"));
    chmodSync(file, 0o666);
    const { stderr } = await cli(["env", "--plugins", file], { HOME: dir });
    expect(stderr).toContain("anybody can write to that file");
    expect(stderr).toContain("code: PLUGIN_MANIFEST_INVALID");
  });

  test("says that there is no such file", async () => {
    const { stderr } = await cli(["env", "--plugins", join(dir, "none.json")], { HOME: dir });
    expect(stderr).toContain("code: FILE_READ");
  });
});

describe("plugins.json in the configuration directory", () => {
  const home = join(dir, "home");
  const place = join(home, ".config", "cosign-ts");
  mkdirSync(place, { recursive: true });
  const write = (text: string) => writeFileSync(join(place, "plugins.json"), text, { mode: 0o600 });

  test("is read when a plugin is asked for", async () => {
    write(readFileSync(declare(named("configured")), "utf8"));
    const uri = `configured://${join(dir, "none.pem")}`;
    for (const env of [
      { HOME: home },
      { HOME: "/nowhere", XDG_CONFIG_HOME: join(home, ".config") },
    ]) {
      const { stderr } = await cli(["public-key", "--key", uri], { PATH, ...env });
      expect(stderr).toContain("code: KEY_NOT_FOUND");
    }
  });

  test("is not looked at when none is asked for", async () => {
    write("nonsense");
    expect((await cli(["env"], { HOME: home })).code).toBe(0);
    const { stderr } = await cli(["plugins", "list"], { HOME: home });
    expect(stderr).toContain("code: PLUGIN_MANIFEST_INVALID");
  });

  test("is one list with that of --plugins", async () => {
    write(readFileSync(declare(named("configured")), "utf8"));
    const other = declare(named("other"));
    const { stdout } = await cli(["plugins", "list", "--json", "--plugins", other], { HOME: home });
    const names = JSON.parse(stdout).map(({ name }: { readonly name: string }) => name);
    expect(names).toContain("configured");
    expect(names).toContain("other");
    const twice = declare(named("other", "configured"));
    const { stderr } = await cli(["env", "--plugins", twice], { HOME: home });
    expect(stderr).toContain('"configured" is claimed by');
  });
});

describe("plugins of a batch manifest", () => {
  const manifestOf = (plugins: string) => {
    const path = join(dir, "batch.yaml");
    writeFileSync(
      path,
      `version: 1\nplugins: ${plugins}\ndefaults: { transparency: none, key: "acme://${dir}/none.pem" }\ntargets: [localhost:1/a/b:c]\n`,
    );
    return path;
  };
  const batch = (path: string) =>
    cli(["batch", "sign", path, "--ledger", join(dir, "ledger")], { PATH, HOME: dir });

  test("are asked for the keys of its targets", async () => {
    const path = manifestOf(readFileSync(declare(named("acme")), "utf8"));
    expect((await batch(path)).stderr).toContain("code: KEY_NOT_FOUND");
  });

  test("cannot take a scheme over", async () => {
    const path = manifestOf(readFileSync(declare(named("acme"), named("thief", "file")), "utf8"));
    expect((await batch(path)).stderr).toContain("code: PLUGIN_MANIFEST_INVALID");
  });
});

describe("plugins list", () => {
  test("shows what comes along, what is declared and what is on the PATH", async () => {
    const env = { PATH: `${examples}:${PATH}`, HOME: dir };
    const file = declare(named("acme"));
    const { stdout } = await cli(["plugins", "list", "--plugins", file], env);
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows).toContainEqual(["key", "file", "engine", "engine", "available"]);
    const program = join(examples, "sigstore-kms-shell");
    expect(rows).toContainEqual(["key", "acme", "acme", `${program} (${file})`, "available"]);
    expect(rows).toContainEqual(["key", "shell", "shell", program, "available"]);
    expect(stdout).toContain("not available in this version");
  });
});

describe("plugins check", () => {
  const env = { PATH: `${examples}:${PATH}`, HOME: dir };

  test("asks programs what they can", async () => {
    const { code, stdout } = await cli(["plugins", "check"], env);
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("shell  answers  makes keys of type "),
    ]);
    expect(stdout).toContain("awskms  answers  makes keys, shows public keys, signs\n");
  });

  test("asks for a key, and for a signature", async () => {
    const uri = `shell://${join(dir, "checked.pem")}`;
    const none = await cli(["plugins", "check", "--key", uri], env);
    expect(none.stdout).toContain("shell  fails  KEY_NOT_FOUND: ");
    expect([none.code, none.stderr]).toEqual([20, expect.stringContaining("code: PLUGIN_FAILED")]);
    await cli(
      ["generate-key-pair", "--kms", uri, "--output-key-prefix", join(dir, "checked")],
      env,
    );
    const key = await cli(["plugins", "check", "--key", uri], env);
    expect([key.code, key.stdout]).toEqual([
      0,
      expect.stringMatching(/^shell {2}answers {2}has a key of type ecdsa-p256, SHA-256 \w{64}\n$/),
    ]);
    const signed = await cli(["plugins", "check", "--key", uri, "--sign"], env);
    expect(signed.stdout).toBe(
      "shell  answers  signs with a key of type ecdsa-p256, over sha256\n",
    );
  });

  test("goes on after the first that fails", async () => {
    const { code, stdout } = await cli(["plugins", "check", "nobody", "shell"], env);
    expect(code).toBe(20);
    expect(stdout).toMatch(/^nobody {2}fails {2}PLUGIN_UNKNOWN: .*\nshell {2}answers {2}/);
  });
});

describe("plugins new", () => {
  test.each([
    ["shell", "sigstore-kms-fresh"],
    ["typescript", "sigstore-kms-fresh.ts"],
  ])("writes a plugin in %s that passes its own test", async (language, program) => {
    const folder = join(dir, `new-${language}`);
    const argv = ["plugins", "new", "fresh", "--language", language, "--dir", folder];
    const { code, stdout } = await cli(argv, { HOME: dir });
    expect(code).toBe(0);
    const written = ["plugins.json", "test.sh", "README.md", program].map((name) =>
      join(folder, name),
    );
    expect(stdout.trimEnd().split("\n").sort()).toEqual(written.sort());
    const run = `${process.execPath} ${join(root, "main.ts")}`;
    const env = { PATH, HOME: dir, COSIGN_TS: run, COSIGN_PASSWORD: "" };
    const test = spawnSync(join(folder, "test.sh"), { env, encoding: "utf8", cwd: dir });
    expect([test.status, test.stdout, test.stderr]).toEqual([
      0,
      expect.stringMatching(/fresh: all passed\n$/),
      expect.any(String),
    ]);
    const again = await cli(argv, { HOME: dir });
    expect(again.stderr).toContain("code: FILE_EXISTS");
  });

  test("refuses names that no scheme can have, or that are taken", async () => {
    for (const name of ["Acme", "a/b", "../x", "awskms", "pkcs11", "1a", "a".repeat(40)]) {
      const folder = join(dir, "refused");
      const { code } = await cli(["plugins", "new", name, "--dir", folder], { HOME: dir });
      expect([name, code, existsSync(folder)]).toEqual([name, 2, false]);
    }
  });
});
