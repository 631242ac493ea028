import { writeOutputFile } from "../../io/output_file.ts";
import { KEYLESS } from "../../keys/key_ring.ts";
import { parseBase64 } from "../../model/bytes.ts";
import { errorFromReport } from "../../model/errors.ts";
import type { AttestJob } from "../../model/job.ts";
import type { SignatureFormat } from "../../model/policy.ts";
import { parseReference } from "../../model/reference.ts";
import type { SignatureFact, Verdict } from "../../model/verdict.ts";
import { checkContentFlags, readContent } from "../attestation_content.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { ATTEST_FLAGS } from "../flags/attest.ts";
import { DEFAULT_GENERATION, namedGeneration, signatureFormats } from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { openSigning, setupOf } from "../open_signing.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";
import { checkSignerCertificateFlags } from "../signer_certificates.ts";
import { type SigningPlan, signingKey, signingPlan, tagWarning } from "../signing.ts";

type Call = Invocation<typeof ATTEST_FLAGS>;
type Settings = Omit<AttestJob, "id" | "target" | "content" | "predicateType">;

const PRIVATE_MODE = 0o600;

/** `attest`: images one after another; the first that fails ends it. */
export const attestCommand: CommandFunction<typeof ATTEST_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const { plan, settings } = settingsOf(call);
  const { signal } = new AbortController();
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const references = args.map((image) => parseReference(image)); // all of them, before anything is signed
  const stdinIsTaken = flags.predicate === "-" || flags.statement === "-";
  await using signing = await openSigning(plan, call, {
    signal,
    stdinIsTaken,
    keys: [settings.key],
    ...(plan.isIssued ? { leased: settings.key } : {}),
    formats: settings.formats,
    certificates: flags,
  });
  const { maxAttachmentBytes } = conventions;
  const content = await readContent(flags, settings.generation, maxAttachmentBytes, call);
  using images = openOneByOne(
    { registry, conventions, ...setupOf(signing) },
    call,
    signing.keyHost,
  );
  for (const [at, image] of args.entries()) {
    if (references[at]?.digest === undefined) stderr.write(tagWarning(image));
    const target = { type: "reference", reference: image } as const;
    const verdict = await images.run({ ...settings, ...content, id: `${at + 1}`, target });
    for (const note of verdict.warnings) stderr.write(`${printableText(note)}\n`);
    if (verdict.outcome !== "passed") throw errorFromReport(verdict.reason);
    handOver(verdict, plan, call);
  }
  return 0;
};

/** Checks the flags in cosign's order and makes what all jobs have in common. */
function settingsOf(call: Call): { readonly plan: SigningPlan; readonly settings: Settings } {
  const { flags, given, args, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const key = signingKey(call, generation);
  refuseLater(ATTEST_FLAGS, flags, given);
  const newBundleFormat = given.has("new-bundle-format") ? flags["new-bundle-format"] : undefined;
  const formats = signatureFormats(flags.format, newBundleFormat, generation);
  checkContentFlags(flags);
  if (flags["rekor-entry-type"] !== "dsse" && flags["rekor-entry-type"] !== "intoto") {
    throw usage("unknown value for rekor-entry-type", "One of: dsse, intoto");
  }
  checkSignerCertificateFlags(flags);
  const plan = signingPlan(call, generation, key === KEYLESS || flags["issue-certificate"]);
  if (flags.bundle && args.length > 1) {
    throw usage(
      "The file of --bundle holds one image's attestation",
      "Attest the images one by one",
    );
  }
  if (flags.replace && !formats.includes("legacy")) {
    stderr.write("WARNING: --replace is ignored: bundles stand beside each other\n");
  }
  const settings: Settings = {
    op: "attest",
    key,
    formats,
    generation,
    ...(plan.services === undefined ? {} : { transparency: { upload: plan.upload } }),
    entryKind: generation === 1 ? "intoto" : flags["rekor-entry-type"],
    replace: flags.replace,
    upload: !flags["no-upload"],
    returnMade: flags["no-upload"] || Boolean(flags.bundle),
    annotations: {},
    recursive: false,
    skipUnknownPlatform: false,
    timeoutMs: flags.timeout,
  };
  return { plan, settings };
}

/** Writes what was made where it was asked for. Nothing that was not uploaded is lost. */
function handOver(
  verdict: Verdict,
  { generation }: SigningPlan,
  { flags, stdout, stderr }: Call,
): void {
  for (const { signatures } of verdict.subjects) {
    const bundled = madeIn("bundle", signatures);
    const legacy = madeIn("legacy", signatures);
    for (const { logEntries = [], warnings = [] } of signatures) {
      for (const text of warnings) stderr.write(`WARNING: ${printableText(text)}\n`);
      for (const { index } of generation < 3 ? logEntries : []) {
        stderr.write(`tlog entry created with index: ${index}\n`);
      }
    }
    const bundle = (bundled ?? legacy)?.made?.bundle;
    if (flags.bundle && bundle !== undefined) {
      writeOutputFile(flags.bundle, parseBase64(bundle), PRIVATE_MODE);
      stderr.write(`Wrote bundle to file ${printableText(flags.bundle)}\n`);
    }
    const printed = legacy ?? (flags.bundle ? undefined : bundled);
    if (flags["no-upload"] && printed?.attestation !== undefined) {
      stdout.write(`${printed.attestation.envelope}\n`);
    }
  }
}

function madeIn(
  format: SignatureFormat,
  signatures: readonly SignatureFact[],
): SignatureFact | undefined {
  return signatures.findLast((signature) => signature.format === format);
}
