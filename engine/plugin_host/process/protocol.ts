import * as v from "valibot";
import { encodeBase64, parseBase64 } from "../../model/bytes.ts";
import { CosignError, describeError, type ErrorCode } from "../../model/errors.ts";
import type { SignatureDigestAlgorithm } from "../contract.ts";

/*
 * Sigstore's protocol for key plugins, version 1 (sigstore/sigstore, pkg/signature/kms/cliplugin): a process for
 * each call, `PROGRAM v1 JSON`, the message on standard input, one JSON object on standard output.
 */

/** The version of the protocol: the first argument of every call. */
export const PROTOCOL_VERSION = "v1";

/** One call: the method and its own arguments. */
export type PluginCall =
  | { readonly method: "defaultAlgorithm" }
  | { readonly method: "supportedAlgorithms" }
  | { readonly method: "createKey"; readonly algorithm: string }
  | { readonly method: "publicKey" }
  | {
      readonly method: "signMessage";
      /** Of a message that is not given along. */
      readonly digest?: Uint8Array;
    };

/** What a plugin answers to a call that succeeds. */
export interface PluginAnswers {
  readonly defaultAlgorithm: string;
  readonly supportedAlgorithms: readonly string[];
  /** PEM. */
  readonly createKey: string;
  /** PEM. */
  readonly publicKey: string;
  /** Raw bytes. */
  readonly signMessage: Uint8Array;
}

type AnswerSchemas = {
  readonly [M in keyof PluginAnswers]: v.GenericSchema<unknown, PluginAnswers[M]>;
};

/** An answer that is an error, before it has a message of ours. */
export interface PluginRefusal {
  readonly code: ErrorCode;
  readonly text: string;
  /** As the plugin asked for, in milliseconds. */
  readonly afterMs?: number;
}

/** Go's numbers of hash functions (`crypto.Hash`). */
const HASH_NUMBERS: Readonly<Record<SignatureDigestAlgorithm, number>> = {
  sha224: 4,
  sha256: 5,
  sha384: 6,
  sha512: 7,
};
/** What plugins may say beside the text of an error: ours, beyond the protocol. */
const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  ACCESS_DENIED: "KEY_DENIED",
  UNAUTHENTICATED: "KEY_SERVICE_AUTH",
  NOT_FOUND: "KEY_NOT_FOUND",
  EXISTS: "KEY_EXISTS",
  DISABLED: "KEY_DISABLED",
  UNSUPPORTED: "KEY_UNSUPPORTED",
  THROTTLED: "KEY_SERVICE_RATE_LIMITED",
  UNAVAILABLE: "KEY_SERVICE_UNAVAILABLE",
  TIMEOUT: "KEY_SERVICE_UNAVAILABLE",
};
/** Longer texts of errors are cut off. */
const MAX_SHOWN = 500;
const MAX_RETRY_AFTER_SECONDS = 86_400;

const base64 = v.pipe(v.string(), v.check(isBase64, "is no base64"), v.transform(parseBase64));
const pem = v.pipe(
  base64,
  v.transform((bytes) => new TextDecoder().decode(bytes)),
);
const answers: AnswerSchemas = {
  defaultAlgorithm: v.pipe(
    v.object({ defaultAlgorithm: v.string() }),
    v.transform((answer) => answer.defaultAlgorithm),
  ),
  supportedAlgorithms: v.pipe(
    v.object({ supportedAlgorithms: v.array(v.string()) }),
    v.transform((answer) => answer.supportedAlgorithms),
  ),
  createKey: v.pipe(
    v.object({ publicKeyPEM: pem }),
    v.transform((answer) => answer.publicKeyPEM),
  ),
  publicKey: v.pipe(
    v.object({ publicKeyPEM: pem }),
    v.transform((answer) => answer.publicKeyPEM),
  ),
  signMessage: v.pipe(
    v.object({ signature: base64 }),
    v.transform((answer) => answer.signature),
  ),
};
const refusal = v.object({
  errorMessage: v.pipe(v.string(), v.nonEmpty()),
  errorCode: v.optional(v.string()),
  retryAfterSeconds: v.optional(
    v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_RETRY_AFTER_SECONDS)),
  ),
});

/**
 * The arguments of a call (`PluginArgs`), as the Go client writes them.
 *
 * @param keyResourceId What stands behind `://` in the key's URI.
 * @param deadline When nobody waits any more.
 */
export function encodePluginCall(
  call: PluginCall,
  keyResourceId: string,
  digest: SignatureDigestAlgorithm,
  deadline: Date,
): Readonly<Record<string, unknown>> {
  const rpcOptions = { keyVersion: "", remoteVerification: false };
  const ctxDeadline = deadline.toISOString();
  const hashFunc = HASH_NUMBERS[digest];
  return {
    initOptions: {
      ctxDeadline,
      protocolVersion: PROTOCOL_VERSION,
      keyResourceID: keyResourceId,
      hashFunc,
      rpcOptions: { ctxDeadline, ...rpcOptions },
    },
    methodName: call.method,
    [call.method]: methodArguments(call, rpcOptions, ctxDeadline, hashFunc),
  };
}

/**
 * Reads the answer to a call (`PluginResp`). Attacker-controlled as much as the plugin is.
 *
 * @param value Parsed JSON.
 * @throws {SyntaxError} when it is neither the answer nor an error.
 */
export function parsePluginAnswer<M extends keyof PluginAnswers>(
  value: unknown,
  method: M,
): { readonly answer: PluginAnswers[M] } | { readonly refusal: PluginRefusal } {
  const refused = v.safeParse(refusal, value);
  if (refused.success) return { refusal: refusalOf(refused.output) };
  const member =
    typeof value === "object" && value !== null && Object.hasOwn(value, method)
      ? Reflect.get(value, method)
      : undefined;
  const schema: v.GenericSchema<unknown, PluginAnswers[M]> = answers[method];
  const parsed = v.safeParse(schema, member);
  if (parsed.success) return { answer: parsed.output };
  const path = v.getDotPath(parsed.issues[0]);
  const where = path === null ? method : `${method}.${path}`;
  throw new SyntaxError(`"${where}" ${member === undefined ? "is missing" : "is not as expected"}`);
}

/** Reads one line or one output of a plugin. @throws {SyntaxError} */
export function parsePluginJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(text.trim() === "" ? "it is empty" : describeError(error));
  }
}

/** The error for what a plugin refused, in its words. */
export function refusedBy(
  plugin: string,
  { code, text }: PluginRefusal,
  hint?: string,
): CosignError {
  return new CosignError(
    code,
    `Plugin "${plugin}" refuses: ${text}`,
    hint === undefined ? {} : { hint },
  );
}

function methodArguments(
  call: PluginCall,
  rpcOptions: Readonly<Record<string, unknown>>,
  ctxDeadline: string,
  hashFunc: number,
): Readonly<Record<string, unknown>> {
  switch (call.method) {
    case "createKey":
      return { ctxDeadline, algorithm: call.algorithm };
    case "publicKey":
      return { publicKeyOptions: { rpcOptions } };
    case "signMessage": {
      const messageOptions =
        call.digest === undefined
          ? { digest: null } // as Go writes a pointer to no bytes
          : { digest: encodeBase64(call.digest), hashFunc };
      return { signOptions: { rpcOptions, messageOptions } };
    }
    default:
      return {};
  }
}

function refusalOf({
  errorMessage,
  errorCode = "",
  retryAfterSeconds,
}: v.InferOutput<typeof refusal>): PluginRefusal {
  const code = Object.hasOwn(REFUSALS, errorCode) ? REFUSALS[errorCode] : undefined;
  return {
    code: code ?? "PLUGIN_FAILED",
    text: errorMessage.replaceAll(/\s+/g, " ").trim().slice(0, MAX_SHOWN),
    ...(retryAfterSeconds === undefined ? {} : { afterMs: retryAfterSeconds * 1000 }),
  };
}

function isBase64(text: string): boolean {
  try {
    parseBase64(text);
    return true;
  } catch {
    return false; // a predicate of the schema
  }
}
