import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";

/** What Cloud KMS is asked for. */
export interface Purpose {
  /** As it stands in a message behind "Cannot": `sign with "gcpkms://…"`. */
  readonly what: string;
  /** What a role must allow: `cloudkms.cryptoKeyVersions.useToSign`. */
  readonly permission: string;
}

/** `google.rpc.Status` in JSON. */
const statusSchema = v.object({
  error: v.object({
    message: v.optional(v.string(), ""),
    status: v.optional(v.string(), ""),
    details: v.optional(v.array(v.looseObject({ reason: v.optional(v.string()) })), []),
  }),
});
const MAX_SHOWN = 400;

interface Meaning {
  readonly code: ErrorCode;
  readonly hint?: string;
}

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(status: number, text: string, purpose: Purpose): CosignError {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), statusSchema), text);
  const {
    message,
    status: name,
    details,
  } = parsed.success ? parsed.output.error : { message: "", status: "", details: [] };
  const reason = details.find((each) => each.reason !== undefined)?.reason ?? "";
  const words = message.replaceAll(/\s+/g, " ").trim().slice(0, MAX_SHOWN);
  const { code, hint } = meaningOf(status, name, reason, words, purpose);
  return new CosignError(
    code,
    `Cannot ${purpose.what}: ${[name || `HTTP ${status}`, words].filter(Boolean).join(": ")}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf(
  status: number,
  name: string,
  reason: string,
  words: string,
  { permission }: Purpose,
): Meaning {
  if (/\bpurpose\b/i.test(words)) {
    return {
      code: "KEY_UNSUPPORTED",
      hint: "Use a key that was made with the purpose ASYMMETRIC_SIGN",
    };
  }
  switch (name) {
    case "UNAUTHENTICATED":
      return {
        code: "KEY_SERVICE_AUTH",
        hint: "The credentials may have ended or been revoked: log in again",
      };
    case "PERMISSION_DENIED":
      return {
        code: "KEY_DENIED",
        hint:
          reason === "SERVICE_DISABLED"
            ? "Enable the API of the key's project: gcloud services enable cloudkms.googleapis.com"
            : `A role must allow ${permission}: roles/cloudkms.signerVerifier and roles/cloudkms.viewer are enough to sign`,
      };
    case "NOT_FOUND":
      return { code: "KEY_NOT_FOUND", hint: "Check project, location, key ring and key" };
    case "FAILED_PRECONDITION":
      return { code: "KEY_DISABLED", hint: "Enable the version, or use another one" };
    case "ALREADY_EXISTS":
      return { code: "KEY_EXISTS" };
    case "INVALID_ARGUMENT":
      return { code: permission.endsWith("useToSign") ? "KEY_SIGN_FAILED" : "KEY_UNSUPPORTED" };
    default:
      return status >= 500
        ? { code: "KEY_SERVICE_UNAVAILABLE", hint: "Try again later" }
        : { code: "KEY_SERVICE_PROTOCOL" };
  }
}
