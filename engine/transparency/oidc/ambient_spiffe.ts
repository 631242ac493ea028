import { existsSync } from "node:fs";
import type { Environment } from "../../io/env.ts";
import { type AmbientProvider, AUDIENCE } from "./ambient_provider.ts";
import { fetchJwtSvid } from "./workload_api.ts";

const VARIABLE = "SPIFFE_ENDPOINT_SOCKET";
const SOCKET = "/tmp/spire-agent/public/api.sock";

/** A workload that an agent of SPIFFE vouches for: its socket lies on this machine. */
export const SPIFFE: AmbientProvider = {
  name: "spiffe",
  audience: AUDIENCE,
  isEnabled: ({ env }) => existsSync(socketPath(env)),
  token: ({ env, services: { signal } }) => fetchJwtSvid(socketPath(env), AUDIENCE, signal),
};

/** The variable is a path for cosign, and `unix:///path` for the standard (SPIFFE Workload Endpoint §4). */
function socketPath(env: Environment): string {
  return (env[VARIABLE] || SOCKET).replace(/^unix:(?:\/\/(?=\/))?/, "");
}
