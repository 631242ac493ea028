import type { Needs } from "../batch/plan.ts";
import { KEYLESS } from "../keys/key_ring.ts";
import type { Generation } from "../model/exit_code.ts";
import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { SIGN_LOG_FLAGS, TRUSTED_ROOT_FLAGS } from "./flags/format.ts";
import type {
  FULCIO_FLAGS,
  OIDC_FLAGS,
  REKOR_FLAGS,
  TIMESTAMP_SIGN_FLAGS,
} from "./flags/keyless.ts";
import { isExperimental } from "./generation.ts";
import type { KeyCall } from "./open_keys.ts";
import { usage } from "./parse.ts";
import { printableText } from "./printable.ts";
import { unavailable } from "./refuse_later.ts";

/** The flags that say who vouches for signatures. */
export type VouchFlags = FlagValues<
  typeof SIGN_LOG_FLAGS &
    typeof FULCIO_FLAGS &
    typeof OIDC_FLAGS &
    typeof REKOR_FLAGS &
    typeof TIMESTAMP_SIGN_FLAGS &
    typeof TRUSTED_ROOT_FLAGS
>;

/** A call of a command that signs. */
export type SigningCall = KeyCall & {
  readonly flags: VouchFlags & {
    readonly yes: boolean;
    /** 1.13's word for `yes`. */
    readonly force?: boolean;
  };
  readonly given: ReadonlySet<string>;
};

/** The part of it that plans are made of. */
export interface PlanCall extends Pick<World, "env"> {
  readonly flags: VouchFlags;
  readonly given: ReadonlySet<string>;
}

/** What flags and generation say of signatures, before anything is opened. */
export interface SigningPlan {
  readonly generation: Generation;
  /** Whether an authority issues certificates. */
  readonly isIssued: boolean;
  /** Whether logs get the signatures. */
  readonly upload: boolean;
  /** Where services are named; absent: none is asked. */
  readonly services?: "signing-config" | "flags";
}

const KEY_HINT = "Sign with a key: --key cosign.key; generate-key-pair makes one";
/** Flags that name services: they and a signing config exclude each other. */
const SERVICE_FLAGS = ["fulcio-url", "rekor-url", "oidc-issuer", "timestamp-server-url"] as const;

/**
 * The key to sign with, after cosign's own words about the other ways; `keyless` for certificates.
 *
 * @throws {CosignError} `USAGE`, `FEATURE_UNAVAILABLE`.
 */
export function signingKey(
  {
    flags,
    env,
  }: { readonly flags: { readonly key: string | undefined; readonly sk: boolean } } & Pick<
    World,
    "env"
  >,
  generation: Generation,
): string {
  const key = flags.key === "" ? undefined : flags.key;
  const keyless = generation > 1 || isExperimental(env);
  if ((key !== undefined && flags.sk) || (key === undefined && !flags.sk && !keyless)) {
    throw usage(
      "exactly one of: key reference (--key), or hardware token (--sk) must be provided",
      KEY_HINT,
    );
  }
  if (flags.sk) throw unavailable("Signing with a hardware token (--sk)", KEY_HINT);
  return key ?? KEYLESS;
}

/**
 * Settles who is asked to vouch: the log by default (in generation 1 with `COSIGN_EXPERIMENTAL`), those of the
 * signing config in generation 3 where no flag names a service.
 *
 * @param isIssued Certificates are issued, whatever the log.
 * @throws {CosignError} `USAGE` in cosign's words for flags that contradict each other.
 */
export function signingPlan(
  call: PlanCall,
  generation: Generation,
  isIssued: boolean,
): SigningPlan {
  const upload = wantsLog(call, generation);
  const isNeeded = isIssued || upload || Boolean(call.flags["timestamp-server-url"]);
  const services = servicesOf(call, generation, isNeeded);
  return { generation, isIssued, upload, ...(services === undefined ? {} : { services }) };
}

/**
 * The same for a batch, whose manifest says what each target needs.
 *
 * @throws {CosignError} `USAGE`.
 */
export function batchPlan(
  call: PlanCall,
  generation: Generation,
  {
    isIssued,
    isVouched,
    upload,
  }: Pick<Needs, "isVouched" | "upload"> & { readonly isIssued: boolean },
): SigningPlan {
  const services = servicesOf(call, generation, isIssued || isVouched);
  return { generation, isIssued, upload, ...(services === undefined ? {} : { services }) };
}

/** Where services are named that are needed, or asked for in so many words. */
function servicesOf(
  { flags, given }: PlanCall,
  generation: Generation,
  isNeeded: boolean,
): SigningPlan["services"] {
  const config = flags["signing-config"];
  const usesConfig = given.has("use-signing-config") && flags["use-signing-config"];
  if (config && usesConfig) {
    throw usage(
      "if any flags in the group [use-signing-config signing-config] are set none of the others can be; [signing-config use-signing-config] were all set",
    );
  }
  const isNamed = SERVICE_FLAGS.some((name) => flags[name]);
  const isAsked = Boolean(config) || usesConfig;
  if (isAsked && isNamed) throw usage("cannot specify service URLs and use signing config");
  const isDefault = generation === 3 && !isNamed && !given.has("use-signing-config");
  if (isAsked || (isNeeded && isDefault)) return "signing-config";
  return isNeeded ? "flags" : undefined;
}

function wantsLog(call: PlanCall, generation: Generation): boolean {
  return saidOfLog(call) ?? (generation > 1 || isExperimental(call.env));
}

/** Whether the log is wanted, where a flag says so. */
export function saidOfLog({ flags, given }: Omit<PlanCall, "env">): boolean | undefined {
  if (given.has("tlog-upload")) return flags["tlog-upload"];
  return given.has("no-tlog-upload") && flags["no-tlog-upload"] ? false : undefined;
}

/** cosign's warning of a reference without a digest. */
export function tagWarning(image: string): string {
  return `WARNING: Image reference ${printableText(image)} uses a tag, not a digest, to identify the image to sign.
    This can lead you to sign a different image than the intended one. Please use a
    digest (example.com/ubuntu@sha256:abc123...) rather than tag
    (example.com/ubuntu:latest) for the input to cosign. The ability to refer to
    images by tag will be removed in a future release.

`;
}
