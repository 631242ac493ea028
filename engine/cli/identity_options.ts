import { readFileBytes } from "../io/files.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { IdentityOptions, LogInFlow } from "../transparency/oidc/options.ts";
import type { FlagValues } from "./flag.ts";
import type { FULCIO_FLAGS, OIDC_FLAGS } from "./flags/keyless.ts";
import { usage } from "./parse.ts";

/** Sigstore's own. */
export const DEFAULT_ISSUER = "https://oauth2.sigstore.dev/auth";

type Flags = FlagValues<Pick<typeof FULCIO_FLAGS, "identity-token" | "fulcio-auth-flow">> &
  FlagValues<typeof OIDC_FLAGS>;

const DEFAULT_CLIENT = "sigstore";
const FLOWS: readonly LogInFlow[] = ["normal", "device", "token", "client_credentials"];
const MAX_SECRET_BYTES = 65_536; // what can be sent in a form

/**
 * Who signs, from the flags; the file of the client's secret is read. An empty flag is none, as in cosign.
 *
 * @param issuer The issuer of a signing config: it counts where `--oidc-issuer` is not given.
 * @throws {CosignError} `USAGE`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function identityOptions(flags: Flags, issuer?: string): Promise<IdentityOptions> {
  const clientSecret = await readSecret(flags);
  const flow = parseFlow(flags["fulcio-auth-flow"]);
  return {
    issuer: flags["oidc-issuer"] || issuer || DEFAULT_ISSUER,
    clientId: flags["oidc-client-id"] || DEFAULT_CLIENT,
    disableAmbientProviders: flags["oidc-disable-ambient-providers"],
    ...(clientSecret ? { clientSecret } : {}),
    ...(flow === undefined ? {} : { flow }),
    ...(flags["oidc-redirect-url"] ? { redirectUrl: flags["oidc-redirect-url"] } : {}),
    ...(flags["identity-token"] ? { identityToken: flags["identity-token"] } : {}),
    ...(flags["oidc-provider"] ? { provider: flags["oidc-provider"] } : {}),
  };
}

async function readSecret(flags: Flags): Promise<string | undefined> {
  const path = flags["oidc-client-secret-file"];
  if (!path) return flags["oidc-client-secret"];
  if (flags["oidc-client-secret"]) {
    throw usage("--oidc-client-secret and --oidc-client-secret-file are two secrets", "Give one");
  }
  const bytes = await readFileBytes(path, MAX_SECRET_BYTES);
  try {
    return parseUtf8(bytes).trim();
  } catch {
    throw new CosignError(
      "FILE_READ",
      `OIDC client secret in file ${path} not valid utf8`, // as cosign says it
    );
  }
}

function parseFlow(text: string | undefined): LogInFlow | undefined {
  if (!text) return undefined;
  const flow = FLOWS.find((each) => each === text);
  if (flow !== undefined) return flow;
  throw usage(`unsupported oauth flow: ${text}`, `Flows are ${FLOWS.join(", ")}`);
}
