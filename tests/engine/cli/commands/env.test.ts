import { describe, expect, test } from "bun:test";
import { cli } from "../_cli.ts";

describe("env", () => {
  test("prints 29 variables, each with what it is for, as cosign does", async () => {
    const { code, stdout, stderr } = await cli(["env"]);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBe(29 * 3);
    expect(lines.slice(27, 33)).toEqual([
      "# COSIGN_PASSWORD overrides password inputs with this value",
      "# Expects: string with a password (asks on stdin by default)",
      "COSIGN_PASSWORD=",
      "# COSIGN_PKCS11_IGNORE_CERTIFICATE disables loading certificates with PKCS11",
      "# Expects: 1 if loading certificates should be disabled (0 by default)",
      "COSIGN_PKCS11_IGNORE_CERTIFICATE=",
    ]);
    const names = lines.filter((_, i) => i % 3 === 2);
    expect(names).toEqual([...names].sort());
  });

  test("masks secrets unless they are asked for, and prints no control characters", async () => {
    const env = { COSIGN_PASSWORD: "hunter2", COSIGN_REPOSITORY: "a/b\u001b[2J" };
    const masked = (await cli(["env", "--show-descriptions=false"], env)).stdout;
    expect(masked).toContain("\nCOSIGN_PASSWORD=******\n");
    expect(masked).toContain("\nCOSIGN_REPOSITORY=a/b\\u001b[2J\n");
    expect(masked).not.toContain("hunter2");
    expect((await cli(["env", "--show-sensitive-values"], env)).stdout).toContain(
      "\nCOSIGN_PASSWORD=hunter2\n",
    );
  });

  test("adds what is set and not registered, masked", async () => {
    const env = { COSIGN_KEY: "k", TUF_X: "t", SIGSTORE_Y: "s", OTHER: "o", COSIGN_EMPTY: "" };
    expect((await cli(["env"], env)).stdout).toEndWith(
      "# Environment variables below are not registered with cosign,\n# but might still influence cosign's behavior.\nCOSIGN_KEY=******\nSIGSTORE_Y=******\nTUF_X=******\n",
    );
  });

  test("takes no flags from the variables that it prints", async () => {
    expect(
      (await cli(["env"], { COSIGN_SHOW_SENSITIVE_VALUES: "true", COSIGN_PASSWORD: "p" })).stdout,
    ).toContain("COSIGN_PASSWORD=******");
  });
});

describe("version", () => {
  test("--json has the fields of cosign's answer", async () => {
    const facts = JSON.parse((await cli(["version", "--json"])).stdout);
    for (const name of [
      "gitVersion",
      "gitCommit",
      "gitTreeState",
      "buildDate",
      "goVersion",
      "compiler",
      "platform",
    ]) {
      expect(facts[name]).toBeString();
    }
    expect([facts.platform, facts.runtime]).toEqual(["linux/amd64", "test 1"]);
  });
});
