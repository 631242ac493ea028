import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";
import type { VaultSettings } from "./settings.ts";

const errorsSchema = v.object({ errors: v.array(v.string()) });
const MAX_SHOWN = 300;

/** What is asked of Vault, and what for. */
export interface Purpose {
  /** Behind `/v1/`. */
  readonly path: string;
  /** As it stands in a message behind "Cannot": `sign with "hashivault://key"`. */
  readonly what: string;
  /** What the token's policy must allow on the path. */
  readonly capability: "read" | "update";
}

interface Meaning {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint?: string;
}

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(
  status: number,
  text: string,
  call: Purpose,
  settings: VaultSettings,
): CosignError {
  const words = wordsOf(text);
  const { code, why, hint } = meaningOf(status, words, call, settings);
  const said = words === "" ? `HTTP ${status}` : words;
  return new CosignError(
    code,
    `Cannot ${call.what}: ${why}: ${said}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf(
  status: number,
  words: string,
  call: Purpose,
  { engine, namespace }: VaultSettings,
): Meaning {
  const inNamespace = namespace === undefined ? "" : ` in namespace "${namespace}"`;
  const place =
    namespace === undefined ? "VAULT_NAMESPACE is not set" : `VAULT_NAMESPACE is "${namespace}"`;
  switch (status) {
    case 401:
    case 403:
      if (/invalid token|bad token|missing client token|token (?:not found|expired)/i.test(words)) {
        return {
          code: "KEY_SERVICE_AUTH",
          why: "Vault does not know the token",
          hint: `The token may have expired, been revoked, or be of another namespace (${place}): log in again`,
        };
      }
      return {
        code: "KEY_DENIED",
        why: "Vault denies it",
        hint: `The token's policy needs: path "${call.path}" { capabilities = ["${call.capability}"] }${inNamespace}; a token that expired is denied too`,
      };
    case 404:
      return /no handler for route|unsupported path/i.test(words)
        ? {
            code: "KEY_NOT_FOUND",
            why: `there is no secrets engine at "${engine}"${inNamespace}`,
            hint: `Enable it with "vault secrets enable -path=${engine} transit", or say where it is: TRANSIT_SECRET_ENGINE_PATH (now "${engine}"); ${place}`,
          }
        : {
            code: "KEY_NOT_FOUND",
            why: "there is no such key",
            hint: `Make it with "generate-key-pair --kms"; ${place}`,
          };
    case 400:
      if (/key not found/i.test(words))
        return { code: "KEY_NOT_FOUND", why: "there is no such key" };
      if (/soft-deleted/i.test(words)) {
        return {
          code: "KEY_DISABLED",
          why: "the key is deleted",
          hint: "Restore it, or use another one",
        };
      }
      return { code: "KEY_SIGN_FAILED", why: "Vault refuses it" };
    case 503:
      return /sealed/i.test(words)
        ? {
            code: "KEY_SERVICE_UNAVAILABLE",
            why: "Vault is sealed",
            hint: "Unseal it: vault operator unseal",
          }
        : { code: "KEY_SERVICE_UNAVAILABLE", why: "Vault is not available" };
    default:
      return status >= 500
        ? { code: "KEY_SERVICE_UNAVAILABLE", why: "Vault has a fault" }
        : { code: "KEY_SERVICE_PROTOCOL", why: "Vault answers what was not expected" };
  }
}

/** `{"errors": ["1 error occurred:\n\t* permission denied\n\n"]}` in one line. */
function wordsOf(text: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), errorsSchema), text);
  if (!parsed.success) return "";
  return parsed.output.errors
    .join("; ")
    .replace(/\d+ errors? occurred:/g, "")
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .replaceAll(" * ", ", ")
    .replace(/^[ ,]+/, "")
    .trim()
    .slice(0, MAX_SHOWN);
}
