import { CosignError, describeError, type ErrorCode } from "../../engine/plugin_host/contract.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly hint?: string;
}

const LOG_IN =
  "Check the credentials: the environment, ~/.aws, or the role of this machine; they may have expired (aws sts get-caller-identity)";

/** What KMS means by the names of its errors. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NotFoundException: {
    code: "KEY_NOT_FOUND",
    hint: "Check the key's name, the region (AWS_REGION) and the account",
  },
  InvalidArnException: { code: "KEY_NOT_FOUND", hint: "Check the key's ARN and the region" },
  DisabledException: { code: "KEY_DISABLED", hint: "Enable it: aws kms enable-key" },
  KMSInvalidStateException: {
    code: "KEY_DISABLED",
    hint: "The key may wait for its deletion (aws kms cancel-key-deletion) or for its material",
  },
  KeyUnavailableException: { code: "KEY_SERVICE_UNAVAILABLE", hint: "Try again later" },
  InvalidKeyUsageException: {
    code: "KEY_UNSUPPORTED",
    hint: "Use a key that was made with the usage SIGN_VERIFY",
  },
  UnsupportedOperationException: {
    code: "KEY_UNSUPPORTED",
    hint: "Use an asymmetric key that was made with the usage SIGN_VERIFY",
  },
  AlreadyExistsException: { code: "KEY_EXISTS" },
  LimitExceededException: { code: "KEY_DENIED", hint: "A quota of the account is used up" },
  UnrecognizedClientException: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  InvalidClientTokenId: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  ExpiredTokenException: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  ExpiredToken: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  InvalidIdentityToken: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  InvalidSignatureException: {
    code: "KEY_SERVICE_AUTH",
    hint: "Check the secret access key, and the clock of this machine",
  },
  SignatureDoesNotMatch: {
    code: "KEY_SERVICE_AUTH",
    hint: "Check the secret access key, and the clock of this machine",
  },
  IncompleteSignature: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  MissingAuthenticationToken: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  CredentialsProviderError: { code: "KEY_SERVICE_AUTH", hint: LOG_IN },
  TokenProviderError: { code: "KEY_SERVICE_AUTH", hint: "Log in again: aws sso login" },
};

/**
 * What the SDK threw, as the engine says it.
 *
 * @param what As it stands in a message behind "Cannot": `sign with "awskms:///…"`.
 * @param permission What a policy must allow: `kms:Sign`.
 */
export function refusal(error: unknown, what: string, permission: string): CosignError {
  if (error instanceof CosignError) return error;
  if (!(error instanceof Error)) throw error;
  const said = describeError(error).replaceAll(/\s+/g, " ").trim();
  if (said === "Region is missing") {
    return new CosignError("USAGE", `Cannot ${what}: no region is named`, {
      hint: "Set AWS_REGION, name the key by its ARN, or set a region in ~/.aws/config",
    });
  }
  if (error.name === "SyntaxError") {
    const text = `Cannot ${what}: what answers there is no KMS`;
    return new CosignError("KEY_SERVICE_PROTOCOL", text, { cause: error });
  }
  const { code, hint } = meaningOf(error, permission);
  return new CosignError(code, `Cannot ${what}: ${error.name}: ${said}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function meaningOf({ name }: Error, permission: string): Meaning {
  if (/^AccessDenied/.test(name)) {
    return {
      code: "KEY_DENIED",
      hint: `A policy of the key or of the user must allow ${permission} on this key`,
    };
  }
  const known = Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined;
  return known ?? { code: permission === "kms:Sign" ? "KEY_SIGN_FAILED" : "KEY_SERVICE_PROTOCOL" };
}
