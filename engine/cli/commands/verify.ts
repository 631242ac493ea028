import { readShort } from "../../io/blob.ts";
import { encodeBase64 } from "../../model/bytes.ts";
import { errorFromReport } from "../../model/errors.ts";
import type { VerifyJob } from "../../model/job.ts";
import type { Verdict } from "../../model/verdict.ts";
import { parseAnnotations } from "../annotations.ts";
import { isSbomAttachment } from "../attachment.ts";
import { readSignature } from "../blob_evidence.ts";
import type { CertificateContext } from "../certificate_files.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { VERIFY_FLAGS } from "../flags/verify.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { NO_KEY_HOST, openVerificationKeys } from "../open_keys.ts";
import { checkedOf, signaturesJson, signaturesText, verificationHeader } from "../output.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";
import { openDemands } from "../trust_demands.ts";
import { signatureDigest, verificationKey, warnWithoutLog } from "../verification.ts";

type Call = Invocation<typeof VERIFY_FLAGS>;

/** As much as is read beside an image. */
const MAX_PAYLOAD_BYTES = 1_048_576;

/** `verify`: images one after another; the first that does not pass ends it. */
export const verifyCommand: CommandFunction<typeof VERIFY_FLAGS> = async (call) => {
  const { flags, args, stderr, env } = call;
  const settings = settingsOf(call);
  const { signal } = new AbortController();
  const { demands, trust } = await openDemands(call, { signal, env });
  const detached = await readDetached(call, { signal, env });
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const keys = await openVerificationKeys(
    settings.keys,
    call,
    { signal },
    settings.signatureDigestAlgorithm,
  );
  using images = openOneByOne({ registry, conventions, keys, ...trust }, call, NO_KEY_HOST);
  for (const [at, image] of args.entries()) {
    const target = flags["local-image"]
      ? ({ type: "layout", path: image } as const)
      : ({ type: "reference", reference: image } as const);
    const verdict = await images.run({
      ...settings,
      ...detached,
      demands,
      id: `${at + 1}`,
      target,
    });
    const code = report(verdict, call);
    if (code !== 0) return code;
  }
  return 0;
};

/** Checks the flags in cosign's order and makes what all jobs have in common. */
function settingsOf(call: Call): Omit<VerifyJob, "id" | "target"> {
  const { flags, given, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  if (flags["max-workers"] < 1) {
    throw usage("please set the --max-worker flag to a value that is greater than 0");
  }
  warnWithoutLog("signature", call);
  const sbom = isSbomAttachment(flags.attachment, generation, stderr);
  const key = verificationKey(call, generation);
  refuseLater(VERIFY_FLAGS, flags, given);
  const annotations = parseAnnotations(flags.annotations);
  const signatureDigestAlgorithm = signatureDigest(flags["signature-digest-algorithm"]);
  if (flags.output !== "json" && flags.output !== "text") {
    throw usage(
      `invalid argument ${JSON.stringify(flags.output)} for "-o, --output" flag: must be one of: json, text`,
    );
  }
  if (given.has("recursive-policy") && !flags.recursive) {
    throw usage("--recursive-policy needs --recursive");
  }
  return {
    op: "verify",
    keys: key === undefined ? [] : [key],
    annotations,
    checkClaims: flags["check-claims"],
    ...(flags["experimental-oci11"] ? { amongReferrers: true } : {}),
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

/** Reads the signature that is verified instead of those beside the image, where one is named. */
async function readDetached(
  { flags, stderr }: Call,
  context: CertificateContext,
): Promise<Pick<VerifyJob, "detached">> {
  const { signature, payload } = flags;
  if (!signature) {
    if (payload) stderr.write("WARNING: --payload is ignored: it goes with --signature\n");
    return {};
  }
  const made = encodeBase64(await readSignature(signature, context));
  if (!payload) return { detached: { signature: made } };
  const bytes = await readShort(payload, MAX_PAYLOAD_BYTES, context);
  return { detached: { signature: made, payload: encodeBase64(bytes) } };
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
  const asked = { claims, annotations: claims && flags.annotations.length > 0 };
  for (const { name, outcome, signatures } of verdict.subjects) {
    if (outcome !== "passed" || signatures.length === 0) continue;
    stderr.write(verificationHeader(name, checkedOf(signatures, asked)));
    stdout.write(flags.output === "text" ? signaturesText(signatures) : signaturesJson(signatures));
  }
  return 0;
}
