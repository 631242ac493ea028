import { describe, expect, test } from "bun:test";
import { hasCode } from "../../../engine/model/errors.ts";
import { parsePluginManifest } from "../../../engine/plugin_host/manifest.ts";

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
