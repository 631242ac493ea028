import { CosignError, hasCode } from "../../model/errors.ts";
import { type IdentityToken, RESUME_HINT } from "../identity_token.ts";
import { logInByBrowser } from "./browser.ts";
import { logInAsClient } from "./client_credentials.ts";
import { logInByDevice } from "./device.ts";
import { type Issuer, type LoggedIn, openIssuer } from "./issuer.ts";
import type { FullContext, IdentityOptions, LogInFlow } from "./options.ts";
import { logInAgain } from "./refresh.ts";

/**
 * Makes what logs in at an issuer, again each time it is called: without a person where that goes.
 * A second time a person is only asked at a terminal.
 */
export function openLogIn(
  flow: LogInFlow,
  options: IdentityOptions,
  context: FullContext,
): (signal: AbortSignal) => Promise<IdentityToken> {
  const { issuer: url, redirectUrl } = options;
  let issuer: Issuer | undefined;
  let last: LoggedIn | undefined;

  const withPerson = async (opened: Issuer, signal: AbortSignal): Promise<LoggedIn> => {
    const isTerminal = context.person.stdinKind() === "terminal";
    if (last !== undefined && !isTerminal) throw personNeeded(url);
    if (flow === "normal") return await logInByBrowser(opened, redirectUrl, context, signal);
    if (options.flow === undefined) {
      context.person.tell("Non-interactive mode detected, using device flow.\n");
    }
    return await logInByDevice(opened, redirectUrl, context, signal);
  };

  const once = async (signal: AbortSignal): Promise<LoggedIn> => {
    // A client has its secret instead of a refresh token.
    const asked = flow === "client_credentials" ? { ...options, renewable: false } : options;
    issuer ??= await openIssuer(asked, context.services, signal);
    if (flow === "client_credentials") return await logInAsClient(issuer, redirectUrl, signal);
    if (last?.refreshToken === undefined) return await withPerson(issuer, signal);
    try {
      return await logInAgain(issuer, last.refreshToken, signal);
    } catch (error) {
      if (!hasCode(error, "LOGIN_REFUSED")) throw error;
      return await withPerson(issuer, signal);
    }
  };

  return async (signal) => {
    last = await once(signal);
    return last.token;
  };
}

function personNeeded(issuer: string): CosignError {
  return new CosignError(
    "IDENTITY_EXPIRED",
    `Cannot get another identity token of "${issuer}": somebody must log in again, and there is no terminal`,
    { hint: RESUME_HINT },
  );
}
