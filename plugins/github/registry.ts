import type { RegistryLogin } from "../../engine/plugin_host/contract.ts";

/** Logs in to `ghcr.io` with the token that a workflow has: the registry looks at the token only. */
export const ghcr: RegistryLogin = {
  logIn: async (_host, { env }) => {
    const token = env["GITHUB_TOKEN"]?.trim();
    if (!token) return undefined;
    const username = env["GITHUB_ACTOR"] || "unset";
    return { credentials: { kind: "basic", username, password: token } };
  },
};
