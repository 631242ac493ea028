import type { Environment } from "../../io/env.ts";
import type { ServiceContext } from "../service.ts";

/** Whom the tokens are for that providers are asked for: Fulcio calls itself so. */
export const AUDIENCE = "sigstore";

/** What a provider is asked with. */
export interface AmbientContext {
  readonly services: ServiceContext;
  readonly env: Environment;
}

/** Whoever gives tokens to what runs in an environment of his, without a log-in. */
export interface AmbientProvider {
  /** As in cosign: `--oidc-provider` and `debug providers` say it. */
  readonly name: string;
  /** Whom its tokens are for; absent where that was decided by whoever put the token there. */
  readonly audience?: string;
  /** Whether we are in its environment. */
  readonly isEnabled: (context: AmbientContext) => boolean | Promise<boolean>;
  /** A new token. @throws {CosignError} `IDENTITY_UNAVAILABLE`, `SERVICE_…`, `LIMIT_EXCEEDED`. */
  readonly token: (context: AmbientContext) => Promise<string>;
}
