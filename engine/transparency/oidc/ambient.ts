import { CosignError, describeError, hasCode } from "../../model/errors.ts";
import { type IdentityToken, parseIdentityToken } from "../identity_token.ts";
import { BUILDKITE_AGENT } from "./ambient_buildkite.ts";
import { GITHUB_ACTIONS } from "./ambient_github.ts";
import { GOOGLE_IMPERSONATE, GOOGLE_WORKLOAD_IDENTITY } from "./ambient_google.ts";
import { ENVIRONMENT_VARIABLE, FILESYSTEM } from "./ambient_here.ts";
import type { AmbientContext, AmbientProvider } from "./ambient_provider.ts";
import { SPIFFE } from "./ambient_spiffe.ts";
import type { FullContext } from "./options.ts";

/**
 * The providers of cosign, in the order in which the binary of 3.1.2 asks them. Its source puts GitHub
 * first, but Go initializes packages by their names and imports.
 */
export const AMBIENT_PROVIDERS: readonly AmbientProvider[] = [
  FILESYSTEM,
  ENVIRONMENT_VARIABLE,
  GITHUB_ACTIONS,
  BUILDKITE_AGENT,
  SPIFFE,
  GOOGLE_WORKLOAD_IDENTITY,
  GOOGLE_IMPERSONATE,
];

/** cosign's help says `google`, and means either. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  google: [GOOGLE_WORKLOAD_IDENTITY.name, GOOGLE_IMPERSONATE.name],
};

/**
 * Looks which providers the environment has.
 *
 * @param name Only this one; then it must be there.
 * @returns what asks them for a token; nothing when there is none.
 * @throws {CosignError} `USAGE` for an unknown name, `IDENTITY_UNAVAILABLE` for one that is not there.
 */
export async function chooseAmbient(
  name: string | undefined,
  context: FullContext,
  signal: AbortSignal,
): Promise<((signal: AbortSignal) => Promise<IdentityToken>) | undefined> {
  const enabled: AmbientProvider[] = [];
  for (const provider of namedProviders(name)) {
    if (await provider.isEnabled(ambientContext(context, signal))) enabled.push(provider);
  }
  if (enabled.length > 0) return firstThatAnswers(enabled, context);
  if (name === undefined) return undefined;
  throw new CosignError(
    "IDENTITY_UNAVAILABLE",
    `Cannot get an identity token of the provider "${name}": it is not there`,
    { hint: "See which are: debug providers" },
  );
}

function namedProviders(name: string | undefined): readonly AmbientProvider[] {
  if (name === undefined) return AMBIENT_PROVIDERS;
  const names = GROUPS[name] ?? [name];
  const found = AMBIENT_PROVIDERS.filter((provider) => names.includes(provider.name));
  if (found.length > 0) return found;
  const known = AMBIENT_PROVIDERS.map((provider) => provider.name).join(", ");
  throw new CosignError("USAGE", `${name} is not a valid provider`, {
    hint: `Providers of identity tokens are ${known}`,
  });
}

/** Asks one after another; the one that has answered is the only one from then on. */
function firstThatAnswers(
  enabled: readonly AmbientProvider[],
  context: FullContext,
): (signal: AbortSignal) => Promise<IdentityToken> {
  let chosen: AmbientProvider | undefined;
  return async (signal) => {
    if (chosen !== undefined) return await tokenOf(chosen, context, signal);
    for (const [at, provider] of enabled.entries()) {
      try {
        const token = await tokenOf(provider, context, signal);
        chosen = provider;
        return token;
      } catch (error) {
        if (at + 1 === enabled.length || !(error instanceof CosignError) || signal.aborted) {
          throw error;
        }
        context.person.tell(`WARNING: ${describeError(error)}\n`);
      }
    }
    throw new TypeError("There is no provider to ask");
  };
}

async function tokenOf(
  provider: AmbientProvider,
  context: FullContext,
  signal: AbortSignal,
): Promise<IdentityToken> {
  try {
    const raw = await provider.token(ambientContext(context, signal));
    return parseIdentityToken(raw, provider.audience);
  } catch (error) {
    if (!hasCode(error, "IDENTITY_TOKEN_INVALID")) throw error;
    throw new CosignError(
      error.code,
      `${error.message}: it is of the provider "${provider.name}"`,
      {
        hint: "Choose another with --oidc-provider, or none with --oidc-disable-ambient-providers",
      },
    );
  }
}

function ambientContext({ services, env }: FullContext, signal: AbortSignal): AmbientContext {
  return { services: { ...services, signal }, env };
}
