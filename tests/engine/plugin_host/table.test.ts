import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CosignError, hasCode } from "../../../engine/model/errors.ts";
import type { KeyProvider } from "../../../engine/plugin_host/contract.ts";
import {
  type PluginDeclaration,
  type ProcessDeclaration,
  parsePluginManifest,
} from "../../../engine/plugin_host/manifest.ts";
import { makePluginTable } from "../../../engine/plugin_host/table.ts";
import { LINKS, MANIFEST } from "../../../plugins/builtin.ts";

const plugins = join(import.meta.dir, "../../../plugins");
const declarations = parsePluginManifest(MANIFEST);
const ENGINE: PluginDeclaration = {
  name: "engine",
  api: 1,
  source: "engine",
  provides: { key: ["file", "env", "http", "https"], artifact: ["image", "index", "blob"] },
};

async function thrown(promise: Promise<unknown>): Promise<CosignError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CosignError) return error;
  throw new Error("Nothing was thrown, or something else");
}

describe("makePluginTable()", () => {
  const provider: KeyProvider = { publicKey: () => Promise.reject(new Error("not asked here")) };
  const acme: PluginDeclaration = {
    name: "acme",
    api: 1,
    source: "builtin",
    provides: { key: ["acme"] },
    env: ["ACME_*"],
  };
  const later: PluginDeclaration = {
    name: "later",
    api: 1,
    source: "planned",
    provides: { key: ["laterkms"], artifact: ["wasm"] },
  };

  test("loads a plugin when its scheme is asked for, not before", async () => {
    let loaded = 0;
    const load = () => {
      loaded += 1;
      return Promise.resolve({ keys: { acme: provider } });
    };
    const table = makePluginTable([ENGINE, acme, later], { acme: load });
    expect(await table.keyBackend("file")).toBeUndefined();
    expect(await table.artifactHandler("image")).toBeUndefined();
    expect(loaded).toBe(0);
    expect(await table.keyBackend("acme")).toEqual({ plugin: "acme", provider, env: ["ACME_*"] });
    expect(loaded).toBe(1);
  });

  test("says that what is declared without code is not available in this version", async () => {
    const table = makePluginTable([ENGINE, acme, later], {});
    for (const asked of [
      table.keyBackend("laterkms"),
      table.artifactHandler("wasm"),
      table.keyBackend("acme"),
    ]) {
      const error = await thrown(asked);
      expect(error.code).toBe("PLUGIN_UNAVAILABLE");
      expect(error.message).toContain("not available in this version");
    }
  });

  test("says what would provide a scheme that nobody knows", async () => {
    const table = makePluginTable([ENGINE, later], {});
    const error = await thrown(table.keyBackend("mykms"));
    expect(error.code).toBe("PLUGIN_UNKNOWN");
    expect(error.hint).toContain("sigstore-kms-mykms");
    expect(error.message).toContain("loading URL: unrecognized scheme: mykms://"); // cosign's words
    expect((await thrown(table.keyBackend("constructor"))).code).toBe("PLUGIN_UNKNOWN");
    expect((await thrown(table.artifactHandler("nope"))).code).toBe("PLUGIN_UNKNOWN");
    expect((await thrown(table.keyBackend("a;b"))).hint).not.toContain("a;b");
  });

  test("refuses two claims to one scheme, also to one of the engine's own", () => {
    const thief: PluginDeclaration = { ...acme, name: "thief", provides: { key: ["env"] } };
    for (const list of [
      [ENGINE, thief],
      [acme, { ...acme, name: "other" }],
    ]) {
      let error: unknown;
      try {
        makePluginTable(list, {});
      } catch (caught) {
        error = caught;
      }
      expect(hasCode(error, "PLUGIN_MANIFEST_INVALID")).toBe(true);
    }
  });

  test("takes a user's own plugins, but none that claims what is taken, planned or not", async () => {
    const mine: ProcessDeclaration = {
      name: "mine",
      api: 1,
      source: "process",
      command: ["sigstore-kms-mine"],
      provides: { key: ["mine"] },
      env: ["MINE_*"],
    };
    const tableOf = (...declarations: readonly ProcessDeclaration[]) =>
      makePluginTable(
        [ENGINE, acme, later],
        {},
        { declared: [{ where: "my.json", declarations }], path: "" },
      );
    const table = tableOf(mine);
    expect(table.entries.at(-1)).toEqual({
      provides: "key",
      name: "mine",
      plugin: "mine",
      source: "process",
      where: "my.json",
      command: ["sigstore-kms-mine"],
      available: true,
    });
    expect(await table.keyBackend("mine")).toMatchObject({ plugin: "mine", env: ["MINE_*"] });
    for (const scheme of ["file", "https", "acme", "laterkms", "mine"]) {
      const thief = { ...mine, name: "thief", provides: { key: [scheme] } };
      const declared = scheme === "mine" ? [mine, thief] : [thief];
      expect(() => tableOf(...declared)).toThrow(
        expect.objectContaining({
          code: "PLUGIN_MANIFEST_INVALID",
          message: expect.stringContaining(`of "my.json": "${scheme}" is claimed by`),
        }),
      );
    }
  });

  test("finds the program of a scheme that nobody declares on the PATH, by its exact name", async () => {
    const bin = mkdtempSync(join(tmpdir(), "plugin-table-"));
    for (const name of ["sigstore-kms-onpath", "sigstore-kms-env", "sigstore-kms-laterkms"]) {
      writeFileSync(join(bin, name), "#!/bin/sh\n", { mode: 0o755 });
    }
    const table = makePluginTable([ENGINE, later], {}, { declared: [], path: bin });
    expect(await table.keyBackend("onpath")).toMatchObject({ plugin: "onpath", env: ["ONPATH_*"] });
    // What is the engine's, or planned, nobody takes over by a program on the PATH.
    expect(await table.keyBackend("env")).toBeUndefined();
    expect((await thrown(table.keyBackend("laterkms"))).code).toBe("PLUGIN_UNAVAILABLE");
    for (const scheme of ["../onpath", "a/../onpath", "onpath.", "-x", "ONPATH"]) {
      expect((await thrown(table.keyBackend(scheme))).code).toBe("PLUGIN_UNKNOWN");
    }
    rmSync(bin, { recursive: true });
  });

  test("lets a scheme and a kind have the same name", () => {
    const both: PluginDeclaration = { ...acme, provides: { key: ["acme"], artifact: ["acme"] } };
    expect(makePluginTable([both], {}).entries).toHaveLength(2);
  });
});

describe("the plugins of this repository", () => {
  test("are asked for the registries of their clouds only, by whole names", async () => {
    const table = makePluginTable(declarations, LINKS);
    const nobody = undefined;
    for (const [host, plugin] of [
      ["gcr.io", "kms-gcp"],
      ["eu.gcr.io", "kms-gcp"],
      ["EU.GCR.IO", "kms-gcp"],
      ["europe-docker.pkg.dev:443", "kms-gcp"],
      ["123456789012.dkr.ecr.eu-west-1.amazonaws.com", "kms-aws"],
      ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "kms-aws"],
      ["123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "kms-aws"],
      ["123456789012.dkr-ecr.eu-west-1.on.aws", "kms-aws"],
      ["public.ecr.aws", "kms-aws"],
      ["team.azurecr.io", "registry-azure"],
      ["team.azurecr.cn", "registry-azure"],
      ["registry.cn-hangzhou.aliyuncs.com", "registry-alibaba"],
      ["team-registry.cn-hangzhou.cr.aliyuncs.com", "registry-alibaba"],
      ["ghcr.io", "github"],
      ["gcr.io.evil.example", nobody],
      ["evilgcr.io", nobody],
      ["pkg.dev", nobody],
      ["a.b.pkg.dev", nobody],
      [".pkg.dev", nobody],
      ["evil.example/gcr.io", nobody],
      ["gcr.io@evil.example", nobody],
      ["x%2e.gcr.io", nobody],
      ["gcr.io.", nobody],
      ["123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", nobody],
      ["123456789012.dkr.ecr.eu-west-1.amazonaws.comevil", nobody],
      ["team.azurecr.io.evil.example", nobody],
      ["azurecr.io", nobody],
      ["registry.cn-hangzhou.aliyuncs.com.evil.example", nobody],
      ["ghcr.io.evil.example", nobody],
      ["my.ghcr.io", nobody],
      ["xghcr.io", nobody],
      ["docker.io", nobody],
      ["127.0.0.1:5000", nobody],
      ["localhost", nobody],
    ] as const) {
      expect([host, (await table.registryLogin(host))?.plugin]).toEqual([host, plugin]);
    }
  });

  test("provide every key scheme and every kind of artifact that users know", () => {
    const names = (provides: string) =>
      makePluginTable(declarations, LINKS)
        .entries.filter((entry) => entry.provides === provides)
        .map((entry) => entry.name);
    expect(names("key")).toEqual(
      expect.arrayContaining(
        "file env http https awskms gcpkms azurekms hashivault openbao k8s gitlab github pkcs11 piv".split(
          " ",
        ),
      ),
    );
    expect(names("artifact")).toEqual(
      expect.arrayContaining("image index blob in-toto wasm tekton helm sbom".split(" ")),
    );
  });

  test("stand in the manifest, in the table and in folders, each in all", () => {
    const folders = readdirSync(plugins, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .filter((name) => name !== "policy"); // what the build compiles: no plugin of the table
    const outside = declarations.filter(({ source }) => source !== "engine");
    expect(folders.sort()).toEqual(outside.map(({ name }) => name).sort());
    const builtin = declarations.filter(({ source }) => source === "builtin");
    expect(Object.keys(LINKS).sort()).toEqual(builtin.map(({ name }) => name).sort());
  });

  test("have code exactly when they are no plans", () => {
    for (const { name, source } of declarations) {
      if (source === "engine") continue;
      expect([name, existsSync(join(plugins, name, "README.md"))]).toEqual([name, true]);
      const hasCodeFile = existsSync(join(plugins, name, "mod.ts"));
      expect([name, hasCodeFile]).toEqual([name, source === "builtin"]);
      if (source === "planned") {
        expect([name, readdirSync(join(plugins, name))]).toEqual([name, ["README.md"]]);
      }
    }
  });

  test("provide in their code all that they declare", async () => {
    for (const { name, provides, source } of declarations) {
      if (source !== "builtin") continue;
      const module = await LINKS[name]?.();
      expect(Object.keys(module?.keys ?? {}).sort()).toEqual([...(provides.key ?? [])].sort());
      expect(Object.keys(module?.artifacts ?? {}).sort()).toEqual(
        [...(provides.artifact ?? [])].sort(),
      );
      expect([name, module?.registries !== undefined]).toEqual([
        name,
        provides.registry !== undefined,
      ]);
    }
  });
});
