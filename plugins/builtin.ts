import type { PluginModule } from "../engine/plugin_host/contract.ts";
import manifest from "./manifest.json" with { type: "json" };

/** What is declared: every key scheme and every kind of artifact, the engine's own too. */
export const MANIFEST: unknown = manifest;

/**
 * Where the code of the built-in plugins is. One line each, with a literal import, so that the bundler sees
 * it and nothing is loaded before it is asked for.
 */
export const LINKS: Readonly<Record<string, () => Promise<PluginModule>>> = {
  "kms-aws": async () => (await import("./kms-aws/mod.ts")).plugin,
  "kms-gcp": async () => (await import("./kms-gcp/mod.ts")).plugin,
  "kms-azure": async () => (await import("./kms-azure/mod.ts")).plugin,
  vault: async () => (await import("./vault/mod.ts")).plugin,
  kubernetes: async () => (await import("./kubernetes/mod.ts")).plugin,
  gitlab: async () => (await import("./gitlab/mod.ts")).plugin,
  github: async () => (await import("./github/mod.ts")).plugin,
  "registry-azure": async () => (await import("./registry-azure/mod.ts")).plugin,
  "registry-alibaba": async () => (await import("./registry-alibaba/mod.ts")).plugin,
  "artifacts-tekton": async () => (await import("./artifacts-tekton/mod.ts")).plugin,
  "artifacts-helm": async () => (await import("./artifacts-helm/mod.ts")).plugin,
  "artifacts-sbom": async () => (await import("./artifacts-sbom/mod.ts")).plugin,
  "artifacts-wasm": async () => (await import("./artifacts-wasm/mod.ts")).plugin,
};
