import type { Environment } from "../../io/env.ts";
import { openUrl } from "../../io/open_url.ts";
import { promptLine, readStdin, stdinKind, tell } from "../../io/terminal.ts";
import { pause } from "../../io/wait.ts";
import type { ServiceContext } from "../service.ts";

/** How somebody logs in, as cosign's `--fulcio-auth-flow` names it. */
export type LogInFlow = "normal" | "device" | "token" | "client_credentials";

/** Who signs, and how that is proved. */
export interface IdentityOptions {
  /** Where somebody logs in. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** Where the browser comes back to: on this machine; port 0 is any free one. */
  readonly redirectUrl?: string;
  /** Default: by browser where there is a terminal, else by a device code. */
  readonly flow?: LogInFlow;
  /**
   * Asks for a refresh token too, where the issuer says that it has them (OpenID Connect Core §11): a long
   * run then needs nobody to log in again. Default false, as in cosign.
   */
  readonly renewable?: boolean;
  /** A token, a file that holds one, or `-` for standard input: then nobody else is asked. */
  readonly identityToken?: string;
  /** The one provider of the environment that is asked; all of them when absent. */
  readonly provider?: string;
  /** Whether no provider of the environment is asked. */
  readonly disableAmbientProviders: boolean;
}

/** What an identity is got with. */
export interface IdentityContext {
  readonly services: Omit<ServiceContext, "signal">;
  readonly env: Environment;
  /** Standard input holds something else, such as a list of images. Default false. */
  readonly stdinIsTaken?: boolean;
  /** Default: whoever sits at the real terminal. */
  readonly person?: Person;
  /** Default: the real one. */
  readonly clock?: Clock;
  /** How long a browser has to come back, in milliseconds. Default 120,000, as in cosign. */
  readonly logInTimeoutMs?: number;
}

/** Whoever can be told and asked something, and has a browser perhaps. */
export interface Person {
  readonly stdinKind: typeof stdinKind;
  readonly promptLine: typeof promptLine;
  readonly readStdin: typeof readStdin;
  readonly tell: typeof tell;
  readonly openUrl: typeof openUrl;
}

/** What time it is, and how one waits. */
export interface Clock {
  readonly now: () => Date;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A context in which nothing is absent but what every call brings along. */
export interface FullContext extends IdentityContext {
  readonly person: Person;
  readonly clock: Clock;
  readonly logInTimeoutMs: number;
}

const LOG_IN_TIMEOUT_MS = 120_000;

/** Fills in what is absent of a context. */
export function fullContext(context: IdentityContext): FullContext {
  const person = context.person ?? { stdinKind, promptLine, readStdin, tell, openUrl };
  return {
    ...context,
    person: context.stdinIsTaken === true ? { ...person, stdinKind: () => "nothing" } : person,
    clock: context.clock ?? { now: () => new Date(), sleep: pause },
    logInTimeoutMs: context.logInTimeoutMs ?? LOG_IN_TIMEOUT_MS,
  };
}
