import { existsSync } from "node:fs";
import { readFileBytes } from "../../io/files.ts";
import type { AmbientProvider } from "./ambient_provider.ts";

const VARIABLE = "SIGSTORE_ID_TOKEN";
const TOKEN_FILE = "/var/run/sigstore/cosign/oidc-token";
const MAX_FILE_BYTES = 65_536; // four times what a token may have

/** A token in `SIGSTORE_ID_TOKEN`, where GitLab CI puts its `id_tokens`. */
export const ENVIRONMENT_VARIABLE: AmbientProvider = {
  name: "envvar",
  isEnabled: ({ env }) => env[VARIABLE] !== undefined && env[VARIABLE] !== "",
  token: ({ env }) => Promise.resolve(env[VARIABLE] ?? ""),
};

/** A token in the file that Kubernetes projects and renews; it is read anew each time. */
export const FILESYSTEM: AmbientProvider = {
  name: "filesystem",
  isEnabled: () => existsSync(TOKEN_FILE),
  token: async () =>
    new TextDecoder().decode(
      await readFileBytes(TOKEN_FILE, MAX_FILE_BYTES, "IDENTITY_UNAVAILABLE"),
    ),
};
