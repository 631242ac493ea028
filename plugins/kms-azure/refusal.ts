import * as v from "valibot";
import { CosignError, describeError, type ErrorCode } from "../../engine/plugin_host/contract.ts";
import { ownError } from "./transport.ts";

/** What Key Vault is asked for. */
export interface Purpose {
  /** As it stands in a message behind "Cannot": `sign with "azurekms://…"`. */
  readonly what: string;
  /** Of an access policy: `sign`. */
  readonly permission: "get" | "sign" | "create";
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint?: string;
}

/** An answer of Key Vault, in an error of the SDK. Errors of Microsoft Entra have a status, but no answer. */
const answerSchema = v.object({
  statusCode: v.number(),
  response: v.object({}),
  details: v.optional(v.unknown()),
});
/** `{"error": {"code", "message", "innererror": {"code"}}}`, as the SDK hands it over. */
const detailsSchema = v.object({
  error: v.object({
    code: v.optional(v.string(), ""),
    message: v.optional(v.string(), ""),
    innerError: v.nullish(v.object({ code: v.optional(v.string(), "") })),
  }),
});
const MAX_SHOWN = 400;

/**
 * What the SDK threw, as the engine says it.
 *
 * @param fault Why the last request had no answer.
 */
export function refusal(
  error: unknown,
  purpose: Purpose,
  fault: CosignError | undefined,
): CosignError {
  const own = ownError(error);
  if (own !== undefined) return own;
  if (!(error instanceof Error)) throw error;
  const answer = v.safeParse(answerSchema, error);
  if (answer.success) {
    const { statusCode, details } = answer.output;
    return fromAnswer(statusCode, details, purpose);
  }
  const said = inOneLine(describeError(error));
  if (fault !== undefined && /network_error|Network unreachable/.test(said)) return fault;
  const { code, hint } = meaningOf(error.name, said);
  return new CosignError(code, `Cannot ${purpose.what}: ${said}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function fromAnswer(status: number, details: unknown, purpose: Purpose): CosignError {
  const parsed = v.safeParse(detailsSchema, details);
  const {
    code: name,
    message,
    innerError,
  } = parsed.success ? parsed.output.error : { code: "", message: "", innerError: undefined };
  const inner = innerError?.code ?? "";
  const words = [name || `HTTP ${status}`, inOneLine(message)].filter(Boolean).join(": ");
  const { code, hint } = answerMeaning(status, `${inner} ${message}`, purpose);
  return new CosignError(
    code,
    `Cannot ${purpose.what}: ${words}`,
    hint === undefined ? {} : { hint },
  );
}

function answerMeaning(status: number, words: string, { permission }: Purpose): Meaning {
  if (/KeyDisabled|disabled key|expired key|not yet valid|KeyNotYetValid|KeyExpired/i.test(words)) {
    return {
      code: "KEY_DISABLED",
      hint: "Enable the key, or another version of it: az keyvault key set-attributes",
    };
  }
  if (/ObjectIsDeletedButRecoverable|ObjectIsBeingDeleted|deleted but recoverable/i.test(words)) {
    return { code: "KEY_EXISTS", hint: "A deleted key has the name: az keyvault key recover" };
  }
  switch (status) {
    case 401:
      return { code: "KEY_SERVICE_AUTH", hint: "Log in to the tenant of the vault: az login" };
    case 403:
      return /ForbiddenByFirewall|not an authorized|public network/i.test(words)
        ? { code: "KEY_DENIED", hint: "The vault's firewall must let this machine in" }
        : {
            code: "KEY_DENIED",
            hint: `An access policy must allow the key permission "${permission}", or a role as "Key Vault Crypto ${permission === "create" ? "Officer" : "User"}" be assigned`,
          };
    case 404:
      return {
        code: "KEY_NOT_FOUND",
        hint: "Check the names of the vault, the key and the version",
      };
    case 409:
      return { code: "KEY_EXISTS" };
    case 400:
      return { code: permission === "sign" ? "KEY_SIGN_FAILED" : "KEY_UNSUPPORTED" };
    default:
      return status >= 500
        ? { code: "KEY_SERVICE_UNAVAILABLE", hint: "Try again later" }
        : { code: "KEY_SERVICE_PROTOCOL" };
  }
}

/** What the SDK says without an answer of Key Vault. */
function meaningOf(name: string, said: string): Meaning {
  if (/Authentication|CredentialUnavailable/.test(name)) {
    return {
      code: "KEY_SERVICE_AUTH",
      hint: "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, give the machine an identity, or log in: az login",
    };
  }
  if (/challenge (?:resource|contains)/i.test(said)) {
    return {
      code: "KEY_SERVICE_PROTOCOL",
      hint: "What answers there asks for a token for something else than itself: it gets none",
    };
  }
  if (/expired at|can't be used before|not supported on key/i.test(said)) {
    return { code: "KEY_DISABLED", hint: "Look at the key's dates and permitted operations" };
  }
  return { code: "KEY_SERVICE_PROTOCOL" };
}

function inOneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_SHOWN);
}
