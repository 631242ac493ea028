import { describe, expect, test } from "bun:test";
import { COMMANDS } from "../../../engine/cli/commands.ts";
import { formatDuration } from "../../../engine/model/duration.ts";
import { cli } from "./_cli.ts";

describe("--help", () => {
  test.each(Object.keys(COMMANDS))(
    "of %s shows its flags in order, with deprecated ones last",
    async (words) => {
      const command = COMMANDS[words];
      const { code, stdout, stderr } = await cli([...words.split(" "), "--help"]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toStartWith(`USAGE\n  cosign-ts ${words} [flags]`);
      const sections = stdout.split(/^(?=[A-Z ]+FLAGS$|FLAGS)/m).slice(1);
      const shown = sections.map((section) =>
        [...section.matchAll(/^ {2}(?:-\w, | {4})--([\w-]+)/gm)].map(([, name]) => name ?? ""),
      );
      for (const names of shown) expect(names).toEqual([...names].sort());
      const all = Object.entries(command?.flags ?? {}).filter(([, flag]) => flag.hidden !== true);
      expect(shown.flat().sort()).toEqual(all.map(([name]) => name).sort());
      const old = all.filter(([, flag]) => flag.deprecated !== undefined).map(([name]) => name);
      if (old.length > 0) {
        expect(stdout.match(/^[A-Z ]*FLAGS[A-Z ]*$/gm)?.at(-1)).toBe("DEPRECATED FLAGS");
        expect(shown.at(-1)).toEqual(old.sort());
        for (const name of old) {
          expect(sections.at(-1)).toContain(`deprecated: ${command?.flags[name]?.deprecated}`);
        }
      }
    },
  );

  test("tells defaults: texts, numbers, durations, and what is on", async () => {
    const { stdout } = await cli(["verify", "--help"]);
    expect(stdout).toMatch(/--timeout duration .*\(default 3m0s\)$/m);
    expect(stdout).toMatch(
      /--check-claims .*\(default true\); turn it off by --check-claims=false$/m,
    );
    expect((await cli(["env", "--help"])).stdout).toMatch(/--show-descriptions .*\(default true\)/);
    expect((await cli(["registry", "serve", "--help"])).stdout).toContain(
      "(default 127.0.0.1:5000)",
    );
  });

  test("says of the groups that cosign 3.1 deprecates what it says, there and in the list", async () => {
    const { stdout: all } = await cli(["--help"]);
    for (const [group, instead] of [
      ["attach", "please use oras for attaching artifacts to other artifacts in a registry"],
      ["upload", "please use `oras blob push` for uploading artifacts to a registry"],
      ["dockerfile", "please use `cosign verify` for each image in your Dockerfile"],
      ["manifest", "please use `cosign verify` for each image in your Kubernetes manifest"],
    ] as const) {
      const words = `${group} will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, ${instead}`;
      expect(all).toMatch(new RegExp(`^  ${group} +.*\\(deprecated\\)$`, "m"));
      const { stdout, stderr } = await cli([group]);
      expect(stdout).toContain(`\nDeprecated: ${words}\n`);
      expect(stderr).toBe(`Command "${group}" is deprecated, ${words}\n`);
      expect((await cli([group, "--compat=2"])).stderr).toBe("");
    }
    expect((await cli(["download"])).stderr).toBe("");
  });

  test("calls the program as it was called", async () => {
    expect((await cli(["help", "version"])).stdout).toContain("cosign-ts version");
  });
});

test.each([
  [0, "0s"],
  [250, "250ms"],
  [1500, "1.5s"],
  [180_000, "3m0s"],
  [3_600_000, "1h0m0s"],
])("formatDuration(%d) is %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
