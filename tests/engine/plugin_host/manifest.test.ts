import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../../engine/model/errors.ts";
import { parsePluginManifest, parseUserPlugins } from "../../../engine/plugin_host/manifest.ts";

const ACME = { name: "acme", api: 1, provides: { key: ["acme"] }, source: "builtin" };

function refusal(value: unknown): unknown {
  try {
    parsePluginManifest(value);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("parsePluginManifest()", () => {
  test("reads built-in plugins and other people's programs", () => {
    const process = {
      ...ACME,
      source: "process",
      command: ["sigstore-kms-acme"],
      sha256: "ab".repeat(32),
    };
    expect(parsePluginManifest([ACME, process])).toEqual([ACME, process] as never);
    expect(parsePluginManifest([])).toEqual([]);
  });

  test("refuses everything else with its code, and says where", () => {
    for (const [value, where] of [
      [{}, "the whole"],
      [[{ ...ACME, api: 2 }], "0.api"],
      [[ACME, { ...ACME, name: "Acme" }], "1.name"],
      [[{ ...ACME, name: "../x" }], "0.name"],
      [[{ ...ACME, provides: { key: ["Acme://"] } }], "0.provides.key.0"],
      [[{ ...ACME, provides: { keys: ["acme"] } }], "0.provides.keys"],
      [[{ ...ACME, extra: 1 }], "0.extra"],
      [[{ ...ACME, source: "network" }], "0.source"],
      [[{ ...ACME, source: "process" }], "0.command"],
      [[{ ...ACME, source: "process", command: [] }], "0.command"],
      [[{ ...ACME, command: ["x"] }], "0.command"],
      [[{ ...ACME, source: "process", command: ["x"], sha256: "AB" }], "0.sha256"],
    ] as const) {
      const error = refusal(value);
      expect(hasCode(error, "PLUGIN_MANIFEST_INVALID")).toBe(true);
      expect(String(error)).toContain(where);
    }
  });
});

describe("parseUserPlugins()", () => {
  const MINE = {
    name: "acme",
    api: 1,
    source: "process",
    command: ["/opt/acme/plugin", "--quiet"],
    provides: { key: ["acme"] },
  };

  test("reads programs, with all that can be said of them", () => {
    const whole = {
      ...MINE,
      brief: "keys of Acme",
      env: ["ACME_*", "HOME"],
      sha256: "0f".repeat(32),
      timeoutSeconds: 90,
    };
    expect(parseUserPlugins([MINE, whole], "x")).toEqual([MINE, whole] as never);
  });

  test("reads the declaration in docs/plugins.md", () => {
    const page = readFileSync(join(import.meta.dir, "../../../docs/plugins.md"), "utf8");
    const [, example = ""] = /```json\n(\[[\s\S]*?)```/.exec(page) ?? [];
    expect(parseUserPlugins(JSON.parse(example), "docs/plugins.md")).toHaveLength(1);
  });

  test.each([
    ["a plugin that is no program", { ...MINE, source: "builtin" }],
    ["a kind of artifact", { ...MINE, provides: { artifact: ["acme"] } }],
    ["no scheme", { ...MINE, provides: { key: [] } }],
    ["a path that depends on where one is", { ...MINE, command: ["./plugin"] }],
    ["a path that leads up", { ...MINE, command: ["../plugin"] }],
    ["a path in the directory one is in", { ...MINE, command: ["bin/plugin"] }],
    ["a command in one text", { ...MINE, command: ["sh -c evil"] }],
    ["no command", { ...MINE, command: [] }],
    ["a variable that is none", { ...MINE, env: ["A=B"] }],
    ["half a SHA-256", { ...MINE, sha256: "0f" }],
    ["endless time", { ...MINE, timeoutSeconds: 1e9 }],
    ["an unknown field", { ...MINE, shell: true }],
  ])("refuses %s", (_, value) => {
    expect(() => parseUserPlugins([value], 'plugins of "my.json"')).toThrow(
      expect.objectContaining({
        code: "PLUGIN_MANIFEST_INVALID",
        message: expect.stringContaining('plugins of "my.json": 0.'),
      }),
    );
  });
});
