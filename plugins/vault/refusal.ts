import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";
import type { VaultSettings } from "./settings.ts";

const errorsSchema = v.object({ errors: v.array(v.string()) });
const MAX_SHOWN = 300;
/** Vault says "invalid token"; OpenBao says nothing but "permission denied", which a policy's "no" has in a list. */
const UNKNOWN_TOKEN =
  /^permission denied$|invalid token|bad token|missing client token|token (?:not found|expired)/i;

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

const DELETED: Meaning = {
  code: "KEY_DISABLED",
  why: "the key is deleted",
  hint: "Restore it, or use another one",
};
const SEALED: Meaning = {
  code: "KEY_SERVICE_UNAVAILABLE",
  why: "Vault is not available",
  hint: "Unseal it: vault operator unseal",
};

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(
  status: number,
  text: string,
  call: Purpose,
  settings: VaultSettings,
): CosignError {
  const words = wordsOf(text);
  const { code, why, hint } = meaningOf(status, words, call, settings);
  const said = inOneLine(words) || `HTTP ${status}`;
  return new CosignError(
    code,
    `Cannot ${call.what}: ${why}: ${said}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf(
  status: number,
  words: string,
  { path, capability }: Purpose,
  { engine, namespace }: VaultSettings,
): Meaning {
  const inNamespace = namespace === undefined ? "" : ` in namespace "${namespace}"`;
  const place =
    namespace === undefined ? "VAULT_NAMESPACE is not set" : `VAULT_NAMESPACE is "${namespace}"`;
  if (/soft-deleted/i.test(words)) return DELETED;
  if (/namespace not found/i.test(words)) {
    return { code: "KEY_NOT_FOUND", why: "there is no such namespace", hint: place };
  }
  if (/no handler for route|unsupported path/i.test(words)) {
    return {
      code: "KEY_NOT_FOUND",
      why: `there is no secrets engine at "${engine}"${inNamespace}`,
      hint: `Enable it with "vault secrets enable -path=${engine} transit", or say where it is: TRANSIT_SECRET_ENGINE_PATH (now "${engine}"); ${place}`,
    };
  }
  if (status === 404 || /key not found/i.test(words)) {
    const hint = `Make it with "generate-key-pair --kms"; ${place}`;
    return { code: "KEY_NOT_FOUND", why: "there is no such key", hint };
  }
  if (status === 401 || (status === 403 && UNKNOWN_TOKEN.test(words))) {
    return {
      code: "KEY_SERVICE_AUTH",
      why: "Vault does not know the token",
      hint: `It may have expired, been revoked, or be of another namespace (${place}): log in again`,
    };
  }
  if (status === 403) {
    const rule = `path "${path}" { capabilities = ["${capability}"] }`;
    const hint = `The token's policy needs${inNamespace}: ${rule}`;
    return { code: "KEY_DENIED", why: "Vault denies it", hint };
  }
  if (status === 400 || /requested version|hashed message/.test(words)) {
    return { code: "KEY_SIGN_FAILED", why: "Vault refuses it" };
  }
  if (/sealed/i.test(words)) return SEALED;
  return status >= 500
    ? { code: "KEY_SERVICE_UNAVAILABLE", why: "Vault has a fault", hint: "Try again later" }
    : { code: "KEY_SERVICE_PROTOCOL", why: "Vault answers what was not expected" };
}

/** The words of `{"errors": ["1 error occurred:\n\t* permission denied\n\n"]}`, as they stand there. */
function wordsOf(text: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), errorsSchema), text);
  return parsed.success ? parsed.output.errors.join("; ") : "";
}

function inOneLine(words: string): string {
  return words
    .replace(/\d+ errors? occurred:/g, "")
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .replaceAll(" * ", ", ")
    .replace(/^[ ,]+/, "")
    .trim()
    .slice(0, MAX_SHOWN);
}
