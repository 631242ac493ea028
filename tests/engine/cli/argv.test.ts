import { describe, expect, test } from "bun:test";
import { prepareArgv } from "../../../engine/cli/argv.ts";
import type { FlagTable } from "../../../engine/cli/flag.ts";

const GLOBAL = {
  timeout: { type: "duration", brief: "", short: "t" },
  verbose: { type: "bool", brief: "", short: "d" },
} as const;
const COMMANDS = new Map<string, FlagTable>([
  [
    "verify",
    {
      ...GLOBAL,
      key: { type: "text", brief: "" },
      output: { type: "text", brief: "", short: "o" },
      recursive: { type: "bool", brief: "", short: "r" },
      force: { type: "bool", brief: "", short: "f" },
      certificate: { type: "text", brief: "" },
      annotations: { type: "list", brief: "", short: "a" },
    } as const,
  ],
  ["batch sign", { ...GLOBAL, key: { type: "text", brief: "" } } as const],
  ["version", GLOBAL],
]);

const prepare = (...argv: string[]) => prepareArgv(argv, COMMANDS);

describe("prepareArgv()", () => {
  test("finds the command before and behind flags", () => {
    for (const argv of [
      ["verify", "--timeout", "5s", "image"],
      ["--timeout", "5s", "verify", "image"],
      ["--timeout=5s", "verify", "image"],
      ["-t", "5s", "verify", "image"],
      ["-t5s", "verify", "image"],
    ]) {
      expect(prepare(...argv).path).toEqual(["verify"]);
      expect(prepare(...argv).rest.at(-1)).toBe("image");
    }
    expect(prepare("-d", "verify", "x").path).toEqual(["verify"]);
    expect(prepare("--verbose", "batch", "--timeout", "5s", "sign", "m.yaml")).toMatchObject({
      path: ["batch", "sign"],
      rest: ["--verbose", "--timeout", "5s", "m.yaml"],
    });
  });

  test("takes flags of the command before it, as cobra does", () => {
    expect(prepare("--key", "verify", "verify", "image")).toMatchObject({
      path: ["verify"],
      rest: ["--key", "verify", "image"],
    });
  });

  test("takes no argument for a command", () => {
    expect(prepare("verify", "version")).toMatchObject({ path: ["verify"], rest: ["version"] });
    expect(prepare("--", "verify").path).toEqual([]);
    expect(prepare("nope", "verify").path).toEqual([]);
  });

  test("puts one dash before a long flag right, and says so", () => {
    expect(prepare("verify", "-output", "text", "-key=k.pub", "x")).toEqual({
      path: ["verify"],
      rest: ["--output", "text", "--key=k.pub", "x"],
      warnings: [
        "WARNING: the -output flag is deprecated and will be removed in a future release. Please use the --output flag instead.",
        "WARNING: the -key flag is deprecated and will be removed in a future release. Please use the --key flag instead.",
      ],
    });
  });

  test("puts two dashes before a letter right, and says so", () => {
    expect(prepare("verify", "--o", "text", "x")).toEqual({
      path: ["verify"],
      rest: ["-o", "text", "x"],
      warnings: [
        "WARNING: the flag --o is deprecated and will be removed in a future release. Please use the flag -o.",
      ],
    });
  });

  test("takes -version for the command", () => {
    expect(prepare("-version")).toEqual({
      path: ["version"],
      rest: [],
      warnings: [
        "WARNING: the -version flag is deprecated and will be removed in a future release. Please use the version subcommand instead.",
      ],
    });
  });

  test("leaves values, arguments behind -- and clustered letters alone", () => {
    for (const rest of [
      ["--key", "-output", "x"],
      ["-o", "-key", "x"],
      ["-a", "-output=x"],
      ["--", "-output", "text"],
      ["-rf", "x"],
      ["-a=k=v", "x"],
      ["-ro", "-key", "x"],
      ["-"],
    ]) {
      expect(prepare("verify", ...rest)).toEqual({ path: ["verify"], rest, warnings: [] });
    }
  });

  test("knows the flags of cosign 1.4 by their later names, without a word", () => {
    expect(prepare("verify", "--cert", "c.pem", "--cert=d.pem")).toEqual({
      path: ["verify"],
      rest: ["--certificate", "c.pem", "--certificate=d.pem"],
      warnings: [],
    });
  });
});
