import { describeError, hasCode, type RegistryLogin } from "../../engine/plugin_host/contract.ts";
import { type Credentials, openCredentials } from "./credentials.ts";

/** Fresh tokens hold an hour, others are renewed five minutes before their end: none is kept longer than this. */
const KEPT_MS = 4 * 60_000;
/** No project is billed for a login, and nobody is asked which one it would be. */
const NO_PROJECT = "none";

/** Logs in to Artifact Registry and Container Registry with the access token of the Application Default Credentials. */
export const googleRegistries: RegistryLogin = {
  logIn: async (_host, context) => {
    let headers: Awaited<ReturnType<Credentials["headers"]>>;
    try {
      headers = await (await openCredentials(NO_PROJECT, context)).headers();
    } catch (error) {
      if (isNobody(error)) return undefined;
      throw error;
    }
    const token = /^Bearer (.+)$/.exec(headers["authorization"] ?? "")?.[1];
    if (token === undefined) return undefined; // an API key: registries take none
    context.secret(token);
    return {
      credentials: { kind: "basic", username: "oauth2accesstoken", password: token },
      expiresAtMs: Date.now() + KEPT_MS,
    };
  },
};

/** Whether there are no credentials anywhere, as the library says it. */
function isNobody(error: unknown): boolean {
  return (
    hasCode(error, "KEY_SERVICE_AUTH") &&
    describeError(error.cause).startsWith("Could not load the default credentials")
  );
}
