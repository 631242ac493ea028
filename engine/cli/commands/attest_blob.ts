import { posix } from "node:path";
import { encodePem } from "../../crypto/pem.ts";
import { encodeAttestationStatement } from "../../formats/in_toto.ts";
import { encodeSignedTimestamp } from "../../formats/timestamp.ts";
import { readBlob } from "../../io/blob.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { tidyAfter } from "../../io/runtime_memory.ts";
import { KEYLESS } from "../../keys/key_ring.ts";
import { encodeBase64, utf8 } from "../../model/bytes.ts";
import { bareDraft, envelopeJson } from "../../sign/attest.ts";
import { type EntryKind, envelopeOf, statementDraft } from "../../sign/draft.ts";
import { bundleOf, oldBundleOf } from "../../sign/fact.ts";
import { signVouched, type VouchedSignature } from "../../sign/vouch.ts";
import { type AttestationInput, checkContentFlags, readContent } from "../attestation_content.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { attachmentLimitOf } from "../conventions.ts";
import { ATTEST_BLOB_FLAGS } from "../flags/attest.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openSigning } from "../open_signing.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { checkSignerCertificateFlags } from "../signer_certificates.ts";
import { type SigningPlan, signingKey, signingPlan } from "../signing.ts";

type Call = Invocation<typeof ATTEST_BLOB_FLAGS>;

const PRIVATE_MODE = 0o600;

interface Settings {
  readonly key: string;
  readonly plan: SigningPlan;
  readonly isBundle: boolean;
  readonly entryKind: EntryKind;
}

/** `attest-blob`: a signed statement about one file. */
export const attestBlobCommand: CommandFunction<typeof ATTEST_BLOB_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const settings = settingsOf(call);
  const { key, plan, isBundle } = settings;
  const { signal } = new AbortController();
  const stdinIsTaken = [flags.predicate, flags.statement, args[0]].includes("-");
  await using signing = await openSigning(plan, call, {
    signal,
    stdinIsTaken,
    keys: [key],
    ...(plan.isIssued ? { leased: key } : {}),
    formats: [isBundle ? "bundle" : "legacy"],
    certificates: flags,
  });
  const digest = await digestOf(call);
  const limitBytes = attachmentLimitOf(env, stderr);
  const input = await readContent(flags, plan.generation, limitBytes, call);
  const payload = statementOf(input, posix.basename(args[0] ?? "") || ".", digest, settings);
  const options = { generation: plan.generation, entryKind: settings.entryKind };
  const draft = isBundle
    ? statementDraft(payload, settings.entryKind)
    : bareDraft(payload, options);
  const vouched = await signVouched(draft, signing.signing(key), signal);
  handOver(payload, vouched, settings, call);
  return 0;
};

/** Checks the flags in cosign's order. */
function settingsOf(call: Call): Settings {
  const { flags, given, args } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const isBundle = given.has("new-bundle-format") ? flags["new-bundle-format"] : generation === 3;
  if (isBundle && generation === 3 && !flags.bundle) {
    throw usage("must specify --bundle with --new-bundle-format", "Add --bundle FILE");
  }
  if (!flags.statement && args.length !== 1 && !flags.hash) {
    throw usage(`accepts 1 arg(s), received ${args.length}`);
  }
  const key = signingKey(call, generation);
  refuseLater(ATTEST_BLOB_FLAGS, flags, given);
  checkContentFlags(flags);
  const type = flags["rekor-entry-type"];
  if (type !== "dsse" && type !== "intoto") {
    throw usage("unknown value for rekor-entry-type", "One of: dsse, intoto");
  }
  if (args[0] === "-" && flags.predicate === "-" && !flags.hash) {
    throw usage("standard input holds one thing: the file, or the predicate");
  }
  if (flags.hash && !/^[0-9A-Fa-f]{64}$/.test(flags.hash)) {
    throw usage(`--hash is ${JSON.stringify(flags.hash)}, expected 64 hexadecimal digits`);
  }
  checkSignerCertificateFlags(flags);
  const plan = signingPlan(call, generation, key === KEYLESS || flags["issue-certificate"]);
  if (flags["output-certificate"] && !plan.isIssued && !flags.certificate) {
    throw usage(
      "--output-certificate needs a certificate: a key alone signs",
      "Add --certificate FILE, or leave --output-certificate out",
    );
  }
  return { key, plan, isBundle, entryKind: generation === 1 ? "intoto" : type };
}

/** SHA-256 of the file, in hexadecimal; of nothing when a statement says what it is about. */
async function digestOf({ flags, args, env, stderr }: Call): Promise<string> {
  if (flags.statement) return "";
  if (flags.hash) return flags.hash.toLowerCase();
  const path = args[0] ?? "";
  if (path !== "-") stderr.write(`Using payload from: ${printableText(path)}\n`);
  const { digests } = await readBlob(path, { env, algorithms: ["sha256"], keptBytes: 0 });
  if (digests.sha256 === undefined) throw new TypeError("readBlob() hashed nothing");
  return digests.sha256.toHex();
}

function statementOf(
  { content, predicateType }: AttestationInput,
  name: string,
  digest: string,
  { plan }: Settings,
): Uint8Array {
  if (content.kind === "statement") return utf8(content.json);
  return encodeAttestationStatement(
    { name, digest: { sha256: digest }, predicateType, predicateJson: content.json },
    plan.generation === 3 ? "proto" : "go",
  );
}

/** Writes what was made where each generation puts it, in its words. */
function handOver(
  statement: Uint8Array,
  vouched: VouchedSignature,
  { plan: { generation }, isBundle }: Settings,
  { flags, stdout, stderr }: Call,
): void {
  const say = (words: string, path: string) => stderr.write(`${words}${printableText(path)}\n`);
  for (const text of vouched.warnings) stderr.write(`WARNING: ${text}\n`);
  const [entry] = vouched.material.logEntries;
  if (generation < 3 && entry !== undefined) {
    stderr.write(`tlog entry created with index: ${entry.logIndex}\n`);
  }
  const envelope = envelopeOf(statement, vouched.signature);
  const isBundleOnly = isBundle && generation === 3;
  tidyAfter(statement.length);
  const text = isBundleOnly ? "" : envelopeJson(envelope, generation);
  if (flags.bundle) {
    const bundle = isBundle ? bundleOf(envelope, vouched) : oldBundleOf(utf8(text), vouched, true);
    writeOutputFile(flags.bundle, bundle, PRIVATE_MODE);
    say(generation === 3 ? "Wrote bundle to file " : "Bundle wrote in the file  ", flags.bundle);
  }
  // 1.x writes base64 of the envelope, later ones the envelope.
  const signature = generation === 1 ? encodeBase64(utf8(text)) : text;
  if (flags["output-signature"]) {
    if (isBundleOnly) ignored("output-signature", stderr);
    else {
      writeOutputFile(flags["output-signature"], signature, PRIVATE_MODE);
      say("Signature written in ", flags["output-signature"]);
    }
  } else if (!isBundleOnly) stdout.write(`${signature}\n`);
  if (flags["output-attestation"]) {
    if (isBundleOnly) ignored("output-attestation", stderr);
    else {
      writeOutputFile(flags["output-attestation"], statement, PRIVATE_MODE);
      say("Attestation written in ", flags["output-attestation"]);
    }
  } else if (generation === 1) stdout.write(`${new TextDecoder().decode(statement)}\n`);
  writeMaterial(vouched, generation, { flags, stderr });
}

function writeMaterial(
  { identity, material }: VouchedSignature,
  generation: SigningPlan["generation"],
  { flags, stderr }: Pick<Call, "flags" | "stderr">,
): void {
  const certificatePath = flags["output-certificate"];
  if (certificatePath) {
    const der = identity.certificate?.der ?? new Uint8Array(); // the flags see to it that there is one
    writeOutputFile(certificatePath, encodePem("CERTIFICATE", der), PRIVATE_MODE);
    stderr.write(`Certificate written to file  ${printableText(certificatePath)}\n`);
  }
  const timestampPath = flags["rfc3161-timestamp-bundle"];
  if (timestampPath) {
    const [timestamp] = material.timestamps;
    if (timestamp === undefined) {
      throw usage(
        "no RFC3161 timestamp found in bundle",
        "Name an authority: --timestamp-server-url",
      );
    }
    writeOutputFile(timestampPath, encodeSignedTimestamp(timestamp), PRIVATE_MODE);
    const words =
      generation === 3
        ? "Timestamp wrote in the file  "
        : "RFC3161 timestamp bundle written to file  ";
    stderr.write(`${words}${printableText(timestampPath)}\n`);
  }
}

function ignored(flag: string, stderr: Call["stderr"]): void {
  stderr.write(
    `WARNING: --${flag} is deprecated when using --new-bundle-format and will be ignored\n`,
  );
}
