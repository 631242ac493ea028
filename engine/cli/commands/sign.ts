import { readFileBytes } from "../../io/files.ts";
import { KEYLESS } from "../../keys/key_ring.ts";
import { encodeBase64 } from "../../model/bytes.ts";
import { errorFromReport } from "../../model/errors.ts";
import type { SignJob } from "../../model/job.ts";
import type { SignatureFormat } from "../../model/policy.ts";
import { parseReference, repositoryName } from "../../model/reference.ts";
import type { Verdict } from "../../model/verdict.ts";
import { parseAnnotations } from "../annotations.ts";
import { isSbomAttachment } from "../attachment.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { SIGN_FLAGS } from "../flags/sign.ts";
import { DEFAULT_GENERATION, namedGeneration, signatureFormats } from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { openSigning, setupOf } from "../open_signing.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { wantsReferrers } from "../referrers_mode.ts";
import { refuseLater } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";
import { wantsSignatureFiles, writeSignatureFiles } from "../signature_files.ts";
import { checkSignerCertificateFlags } from "../signer_certificates.ts";
import { type SigningPlan, signingKey, signingPlan, tagWarning } from "../signing.ts";

type Call = Invocation<typeof SIGN_FLAGS>;

const MAX_PAYLOAD_BYTES = 1_048_576; // more would not be read back as a signature's payload

/** `sign`: images one after another; the first that fails ends it. */
export const signCommand: CommandFunction<typeof SIGN_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const { plan, settings } = settingsOf(call);
  const { signal } = new AbortController();
  const payload = await readPayload(flags.payload, stderr);
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const references = args.map((image) => parseReference(image)); // all of them, before anything is signed
  await using signing = await openSigning(plan, call, {
    signal,
    keys: [settings.key],
    ...(plan.isIssued ? { leased: settings.key } : {}),
    formats: settings.formats,
    certificates: flags,
  });
  using images = openOneByOne(
    { registry, conventions, ...setupOf(signing) },
    call,
    signing.keyHost,
  );
  for (const [at, image] of args.entries()) {
    if (references[at]?.digest === undefined) stderr.write(tagWarning(image));
    const target = { type: "reference", reference: image } as const;
    const verdict = await images.run({
      ...settings,
      id: `${at + 1}`,
      target,
      ...(payload === undefined ? {} : { payload: encodeBase64(payload) }),
    });
    tell(verdict, plan, conventions.targetRepository, call);
    if (verdict.outcome !== "passed") throw errorFromReport(verdict.reason);
    writeSignatureFiles(verdict, signing.keys[0]?.spki, flags, stderr);
  }
  return 0;
};

/** Checks the flags in cosign's order and makes what all jobs have in common. */
function settingsOf(call: Call): {
  readonly plan: SigningPlan;
  readonly settings: Omit<SignJob, "id" | "target">;
} {
  const { flags, given, args, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const key = signingKey(call, generation);
  refuseLater(SIGN_FLAGS, flags, given);
  const asReferrer = wantsReferrers(call);
  const sbom = isSbomAttachment(flags.attachment, generation, stderr);
  const newBundleFormat = given.has("new-bundle-format") ? flags["new-bundle-format"] : undefined;
  const formats = signatureFormats(flags.format, newBundleFormat, generation);
  checkFormats(formats, call);
  const annotations = parseAnnotations(flags.annotations);
  checkSignerCertificateFlags(flags);
  const plan = signingPlan(call, generation, key === KEYLESS || flags["issue-certificate"]);
  const identities = flags["sign-container-identity"];
  const returnMade = wantsSignatureFiles(flags);
  if (returnMade && args.length > 1) {
    throw usage(
      "The files of --output-signature, --output-payload, --output-certificate and --bundle hold one image's signature",
      "Sign the images one by one",
    );
  }
  const settings: Omit<SignJob, "id" | "target"> = {
    op: "sign",
    key,
    formats,
    ...(asReferrer ? { asReferrer } : {}),
    ...(plan.services === undefined ? {} : { transparency: { upload: plan.upload } }),
    annotations,
    recursive: flags.recursive,
    skipUnknownPlatform: flags["skip-unknown-platform"],
    skipSigned: flags["skip-signed"],
    timeoutMs: flags.timeout,
    upload: flags.upload,
    returnMade,
    ...(sbom ? { attachment: "sbom" } : {}),
    ...(identities.length === 0 ? {} : { identities }),
  };
  return { plan, settings };
}

/** Flags that one of the formats cannot follow. */
function checkFormats(formats: readonly SignatureFormat[], { flags, stderr }: Call): void {
  const { bundle } = flags;
  const legacy = formats.includes("legacy");
  if (!legacy && !flags.upload && !bundle) {
    throw usage(
      "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
    );
  }
  if (bundle && !formats.includes("bundle")) {
    throw usage("--bundle needs the bundle format", "Add --format bundle, or both");
  }
  if (flags.payload && formats.includes("bundle")) {
    throw usage("--payload needs the legacy format", "Add --format legacy");
  }
  if (legacy) return;
  for (const name of ["output-signature", "output-payload", "output-certificate"] as const) {
    if (!flags[name]) continue;
    stderr.write(
      `WARNING: --${name} is deprecated when using --new-bundle-format and will be ignored\n`,
    );
  }
  if (flags["sign-container-identity"].length > 0) {
    stderr.write("WARNING: --sign-container-identity is ignored: bundles name no repository\n");
  }
}

async function readPayload(
  path: string | undefined,
  stderr: Call["stderr"],
): Promise<Uint8Array | undefined> {
  if (path === undefined || path === "") return undefined;
  stderr.write(`Using payload from: ${printableText(path)}\n`);
  return await readFileBytes(path, MAX_PAYLOAD_BYTES);
}

/** Says where signatures went; also of a verdict that failed half-way. */
function tell(
  verdict: Verdict,
  { generation, isIssued }: SigningPlan,
  targetRepository: string | undefined,
  { stderr }: Call,
): void {
  for (const warning of verdict.warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
  for (const { name, signatures } of verdict.subjects) {
    const repository = targetRepository ?? repositoryName(parseReference(name));
    for (const { state, format, logEntries = [] } of signatures) {
      for (const { index } of generation < 3 ? logEntries : []) {
        stderr.write(`tlog entry created with index: ${index}\n`);
      }
      if (state === "written") stderr.write(`Pushing signature to: ${printableText(repository)}\n`);
      if (state === "present") {
        const who = isIssued ? "identity" : "key";
        stderr.write(`Already signed by this ${who} (${format}): ${printableText(name)}\n`);
      }
    }
  }
}
