import { unlessAborted } from "../io/wait.ts";
import { CosignError } from "../model/errors.ts";
import { expiredToken, type IdentityToken } from "./identity_token.ts";
import { chooseAmbient } from "./oidc/ambient.ts";
import { givenToken } from "./oidc/given_token.ts";
import {
  type FullContext,
  fullContext,
  type IdentityContext,
  type IdentityOptions,
  type LogInFlow,
} from "./oidc/options.ts";

/** Where identity tokens come from. Whoever opened it disposes of it. */
export interface IdentitySource {
  /**
   * A token that is valid now: the same for all until it expires, then one of them gets another for all.
   *
   * @throws {CosignError} `IDENTITY_EXPIRED` when only a person could give another, `IDENTITY_UNAVAILABLE`,
   * `IDENTITY_TOKEN_INVALID`, `LOGIN_REFUSED`, `LOGIN_EXPIRED`, `LOGIN_FORGED`, `SERVICE_…`, `LIMIT_EXCEEDED`, or
   * why the signal fired.
   */
  readonly token: (signal: AbortSignal) => Promise<IdentityToken>;
  /** Whether somebody must log in for the first token. */
  readonly needsPerson: boolean;
  /** How one logs in; absent where a token is given, or the environment has one. */
  readonly flow?: LogInFlow;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What gives tokens, each time another. */
interface Origin {
  readonly flow?: LogInFlow;
  readonly next: (signal: AbortSignal) => Promise<IdentityToken>;
}

/** A token must reach Fulcio: with less time left it is renewed. */
const LEAST_LEFT_MS = 5000;

/**
 * Decides who vouches for the signer, in cosign's order: the token that is given, a provider of the
 * environment, a log-in. Nobody is asked to log in before the first token is asked for.
 *
 * @throws {CosignError} `USAGE` for options that contradict each other; `IDENTITY_UNAVAILABLE` when the provider
 * that is named is not there.
 */
export async function openIdentity(
  options: IdentityOptions,
  context: IdentityContext,
): Promise<IdentitySource> {
  const full = fullContext(context);
  const closing = new AbortController();
  const { flow, next } = await chooseOrigin(options, full, closing.signal);
  let held: IdentityToken | undefined;
  let renewal: Promise<IdentityToken> | undefined;

  const renew = async (): Promise<IdentityToken> => {
    try {
      const token = await next(closing.signal);
      if (token.expiresAt <= full.clock.now()) throw expiredToken(token);
      if (held !== undefined) refuseAnother(held, token);
      held = token;
      return token;
    } finally {
      renewal = undefined;
    }
  };

  return {
    token: async (signal) => {
      if (closing.signal.aborted) throw new TypeError("The source of identities is closed");
      const leftMs = (held?.expiresAt.getTime() ?? 0) - full.clock.now().getTime();
      if (held !== undefined && leftMs > LEAST_LEFT_MS) return held;
      renewal ??= renew();
      return await unlessAborted(renewal, signal);
    },
    needsPerson: flow === "normal" || flow === "device",
    ...(flow === undefined ? {} : { flow }),
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      held = undefined;
      await renewal?.catch(() => {});
    },
  };
}

async function chooseOrigin(
  options: IdentityOptions,
  context: FullContext,
  signal: AbortSignal,
): Promise<Origin> {
  const { identityToken, provider, disableAmbientProviders, flow } = options;
  if (identityToken !== undefined) return { next: givenToken(identityToken, context) };
  if (provider !== undefined && disableAmbientProviders) {
    throw new CosignError(
      "USAGE",
      `Cannot ask the provider "${provider}" of identity tokens: providers of the environment are disabled`,
      { hint: "Give --oidc-provider or --oidc-disable-ambient-providers, not both" },
    );
  }
  if (flow === "token") {
    throw new CosignError("USAGE", 'Cannot log in by the flow "token": no token is given', {
      hint: "Give it with --identity-token: the token, a file, or - for standard input",
    });
  }
  const ambient = disableAmbientProviders
    ? undefined
    : await chooseAmbient(provider, context, signal);
  if (ambient !== undefined) return { next: ambient };
  const chosen = flow ?? (context.person.stdinKind() === "terminal" ? "normal" : "device");
  let logIn: ((signal: AbortSignal) => Promise<IdentityToken>) | undefined;
  return {
    flow: chosen,
    next: async (whileOpen) => {
      // The library for OAuth is loaded when somebody logs in.
      logIn ??= (await import("./oidc/log_in.ts")).openLogIn(chosen, options, context);
      return await logIn(whileOpen);
    },
  };
}

/** One run signs as one: whoever logs in again must be who he was. */
function refuseAnother(before: IdentityToken, now: IdentityToken): void {
  if (before.issuer === now.issuer && before.proofSubject === now.proofSubject) return;
  throw new CosignError(
    "IDENTITY_TOKEN_INVALID",
    `Cannot use the new identity token: it is of "${now.proofSubject}" by "${now.issuer}", the one before of "${before.proofSubject}" by "${before.issuer}"`,
    { hint: "Log in as before, or begin another run" },
  );
}
