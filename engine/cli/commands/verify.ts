import { readFileBytes } from "../../io/files.ts";
import { type CosignError, errorFromReport } from "../../model/errors.ts";
import type { Generation } from "../../model/exit_code.ts";
import type { VerifyJob } from "../../model/job.ts";
import type { SignatureDigestAlgorithm } from "../../model/policy.ts";
import type { Verdict } from "../../model/verdict.ts";
import { parseAnnotations } from "../annotations.ts";
import { isSbomAttachment } from "../attachment.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { VERIFY_FLAGS } from "../flags/verify.ts";
import {
  DEFAULT_GENERATION,
  isExperimental,
  namedGeneration,
  refuseLogCheck,
} from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { openVerificationKeys } from "../open_keys.ts";
import { signaturesJson, signaturesText, verificationHeader } from "../output.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater, unavailable } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";

type Call = Invocation<typeof VERIFY_FLAGS>;

const MAX_TRUSTED_ROOT_BYTES = 16 * 1024 * 1024; // the public one has 12 KB

/** `verify`: images one after another; the first that does not pass ends it. */
export const verifyCommand: CommandFunction<typeof VERIFY_FLAGS> = async (call) => {
  const { flags, args, stderr, env } = call;
  const settings = settingsOf(call);
  const { signal } = new AbortController();
  if (flags["trusted-root"]) await readFileBytes(flags["trusted-root"], MAX_TRUSTED_ROOT_BYTES);
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const keys = await openVerificationKeys(
    settings.keys,
    call,
    { signal },
    settings.signatureDigestAlgorithm,
  );
  using images = openOneByOne({ registry, conventions, keys }, call, refuseToSign);
  for (const [at, image] of args.entries()) {
    const target = flags["local-image"]
      ? ({ type: "layout", path: image } as const)
      : ({ type: "reference", reference: image } as const);
    const verdict = await images.run({ ...settings, id: `${at + 1}`, target });
    const code = report(verdict, call);
    if (code !== 0) return code;
  }
  return 0;
};

/** Checks the flags in cosign's order and makes what all jobs have in common. */
function settingsOf(call: Call): Omit<VerifyJob, "id" | "target"> {
  const { flags, given, stderr, env } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  if (flags["max-workers"] < 1) {
    throw usage("please set the --max-worker flag to a value that is greater than 0");
  }
  const ignoresLog = given.has("insecure-ignore-tlog") && flags["insecure-ignore-tlog"];
  if (ignoresLog && !flags["private-infrastructure"]) {
    stderr.write(
      "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the signature.\n",
    );
  }
  const sbom = isSbomAttachment(flags.attachment, generation, stderr);
  const key = keyOf(call, generation);
  refuseLater(VERIFY_FLAGS, flags, given);
  const annotations = parseAnnotations(flags.annotations);
  const signatureDigestAlgorithm = digestAlgorithm(flags["signature-digest-algorithm"]);
  if (flags.output !== "json" && flags.output !== "text") {
    throw usage(
      `invalid argument ${JSON.stringify(flags.output)} for "-o, --output" flag: must be one of: json, text`,
    );
  }
  if (given.has("recursive-policy") && !flags.recursive) {
    throw usage("--recursive-policy needs --recursive");
  }
  refuseLogCheck(ignoreLog(call), generation, env);
  return {
    op: "verify",
    keys: [key],
    annotations,
    checkClaims: flags["check-claims"],
    recursive: flags.recursive,
    recursivePolicy: flags["recursive-policy"] ?? "all",
    skipUnknownPlatform: flags["skip-unknown-platform"],
    timeoutMs: flags.timeout,
    ...(sbom ? { attachment: "sbom" } : {}),
    ...(signatureDigestAlgorithm === undefined ? {} : { signatureDigestAlgorithm }),
    ...(given.has("new-bundle-format")
      ? { expectFormat: flags["new-bundle-format"] ? "bundle" : "legacy" }
      : {}),
  };
}

/** The key to verify with, after cosign's own words about the other ways. */
function keyOf({ flags, env }: Call, generation: Generation): string {
  const key = flags.key === "" ? undefined : flags.key;
  const identities = [flags["certificate-identity"], flags["certificate-identity-regexp"]];
  const issuers = [flags["certificate-oidc-issuer"], flags["certificate-oidc-issuer-regexp"]];
  if ([key, ...identities].filter((text) => text !== undefined && text !== "").length > 1) {
    throw usage(
      "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
    );
  }
  if ([key, flags.certificate, flags.sk].filter(Boolean).length > 1) throw oneKey();
  if (key !== undefined) return key;
  if (flags.sk) throw unavailable("Verification with a hardware token (--sk)", KEY_HINT);
  if (generation === 1) {
    if (!flags.certificate && !isExperimental(env)) throw oneKey();
  } else {
    if (!identities.some(Boolean)) {
      throw usage(
        "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
        KEY_HINT,
      );
    }
    if (!issuers.some(Boolean)) {
      throw usage(
        "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
        KEY_HINT,
      );
    }
  }
  throw unavailable("Verification of keyless signatures", KEY_HINT);
}

const KEY_HINT = "Verify with a public key: --key cosign.pub";

function oneKey(): CosignError {
  return usage(
    "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
    KEY_HINT,
  );
}

function ignoreLog({ flags, given }: Call): boolean | undefined {
  const named = ["insecure-ignore-tlog", "private-infrastructure"] as const;
  const said = named.filter((name) => given.has(name));
  return said.length === 0 ? undefined : said.some((name) => flags[name]);
}

function digestAlgorithm(text: string | undefined): SignatureDigestAlgorithm | undefined {
  switch (text) {
    case undefined:
    case "":
      return undefined;
    case "sha224":
    case "sha256":
    case "sha384":
    case "sha512":
      return text;
    default:
      throw usage(`unknown digest algorithm: ${text}`, "One of: sha224, sha256, sha384, sha512");
  }
}

/** Prints what passed; a verdict that is none of those is an error. @returns the exit code. */
function report(verdict: Verdict, call: Call): number {
  const { flags, stdout, stderr, fail } = call;
  for (const warning of verdict.warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
  if (verdict.outcome !== "passed") {
    // cosign has numbers for the legacy format in registries only; 2 takes a flag to look elsewhere.
    const bundle =
      verdict.subjects.some((subject) => subject.present?.includes("bundle")) ||
      (namedGeneration(flags.compat) === 2 && flags["new-bundle-format"]);
    return fail(errorFromReport(verdict.reason), !bundle && !flags["local-image"]);
  }
  const claims = flags["check-claims"];
  const checked = { claims, annotations: claims && flags.annotations.length > 0 };
  for (const { name, outcome, signatures } of verdict.subjects) {
    if (outcome !== "passed" || signatures.length === 0) continue;
    stderr.write(verificationHeader(name, checked));
    stdout.write(flags.output === "text" ? signaturesText(signatures) : signaturesJson(signatures));
  }
  return 0;
}

function refuseToSign(): Promise<never> {
  return Promise.reject(new TypeError("Verification signs nothing"));
}
