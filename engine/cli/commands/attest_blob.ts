import { posix } from "node:path";
import { encodeBundle } from "../../artifacts/bundle_referrer.ts";
import { encodePem } from "../../crypto/pem.ts";
import { encodeBlobBundle } from "../../formats/blob_bundle.ts";
import { encodeAttestationStatement } from "../../formats/in_toto.ts";
import { readBlob } from "../../io/blob.ts";
import { readFileBytes } from "../../io/files.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { openSigner } from "../../keys/open.ts";
import { encodeBase64, utf8 } from "../../model/bytes.ts";
import type { Generation } from "../../model/exit_code.ts";
import { envelopeJson, signStatement } from "../../sign/attest.ts";
import { type AttestationInput, checkContentFlags, readContent } from "../attestation_content.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { attachmentLimitOf } from "../conventions.ts";
import { ATTEST_BLOB_FLAGS } from "../flags/attest.ts";
import { DEFAULT_GENERATION, namedGeneration, refuseLogUpload } from "../generation.ts";
import { keyContext } from "../open_keys.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { logUploadFlags, signingKey } from "../signing.ts";

type Call = Invocation<typeof ATTEST_BLOB_FLAGS>;

const MAX_TRUSTED_ROOT_BYTES = 16 * 1024 * 1024; // the public one has 12 KB
const PRIVATE_MODE = 0o600;

interface Settings {
  readonly key: string;
  readonly generation: Generation;
  readonly isBundle: boolean;
}

/** `attest-blob`: a signed statement about one file. */
export const attestBlobCommand: CommandFunction<typeof ATTEST_BLOB_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const settings = settingsOf(call);
  const { signal } = new AbortController();
  if (flags["trusted-root"]) await readFileBytes(flags["trusted-root"], MAX_TRUSTED_ROOT_BYTES);
  const stdinIsTaken = [flags.predicate, flags.statement, args[0]].includes("-");
  await using signer = await openSigner(settings.key, keyContext(call, { signal, stdinIsTaken }));
  const digest = await digestOf(call);
  const limitBytes = attachmentLimitOf(env, stderr);
  const input = await readContent(flags, settings.generation, limitBytes, call);
  const statement = statementOf(input, posix.basename(args[0] ?? "") || ".", digest, settings);
  const envelope = await signStatement(statement, signer, signal);
  const text = envelopeJson(envelope, settings.generation);
  const pem = encodePem("PUBLIC KEY", signer.publicKey.spki);
  const bundle = settings.isBundle
    ? encodeBundle(envelope, signer.publicKey)
    : encodeBlobBundle(utf8(text), pem);
  handOver(statement, text, bundle, settings, call);
  return 0;
};

/** Checks the flags in cosign's order. */
function settingsOf(call: Call): Settings {
  const { flags, given, args, env } = call;
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
  if (flags["rekor-entry-type"] !== "dsse" && flags["rekor-entry-type"] !== "intoto") {
    throw usage("unknown value for rekor-entry-type", "One of: dsse, intoto");
  }
  if (args[0] === "-" && flags.predicate === "-" && !flags.hash) {
    throw usage("standard input holds one thing: the file, or the predicate");
  }
  if (flags.hash && !/^[0-9A-Fa-f]{64}$/.test(flags.hash)) {
    throw usage(`--hash is ${JSON.stringify(flags.hash)}, expected 64 hexadecimal digits`);
  }
  refuseLogUpload(logUploadFlags(call), generation, env);
  return { key, generation, isBundle };
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
  { generation }: Settings,
): Uint8Array {
  if (content.kind === "statement") return utf8(content.json);
  return encodeAttestationStatement(
    { name, digest: { sha256: digest }, predicateType, predicateJson: content.json },
    generation === 3 ? "proto" : "go",
  );
}

/** Writes what was made where each generation puts it, in its words. */
function handOver(
  statement: Uint8Array,
  envelope: string,
  bundle: Uint8Array,
  { generation, isBundle }: Settings,
  { flags, stdout, stderr }: Call,
): void {
  const say = (words: string, path: string) => stderr.write(`${words}${printableText(path)}\n`);
  if (flags.bundle) {
    writeOutputFile(flags.bundle, bundle, PRIVATE_MODE);
    say(generation === 3 ? "Wrote bundle to file " : "Bundle wrote in the file  ", flags.bundle);
  }
  const isBundleOnly = isBundle && generation === 3;
  // 1.x writes base64 of the envelope, later ones the envelope.
  const signature = generation === 1 ? encodeBase64(utf8(envelope)) : envelope;
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
}

function ignored(flag: string, stderr: Call["stderr"]): void {
  stderr.write(
    `WARNING: --${flag} is deprecated when using --new-bundle-format and will be ignored\n`,
  );
}
