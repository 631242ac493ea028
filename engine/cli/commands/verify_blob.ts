import { KEPT_BYTES, readBlob } from "../../io/blob.ts";
import { CosignError, hasCode } from "../../model/errors.ts";
import type { Generation } from "../../model/exit_code.ts";
import type { PublicKey } from "../../model/key.ts";
import type { SignatureDigestAlgorithm } from "../../model/policy.ts";
import { withLookedUp } from "../../transparency/look_up.ts";
import {
  type BlobEvidence,
  blobContent,
  digestsOfBlob,
  type SignedBlob,
  verifyBlob,
} from "../../verify/blob.ts";
import { expectedSigner } from "../../verify/blob_signer.ts";
import { unloggedIn } from "../../verify/unlogged.ts";
import { readEvidence } from "../blob_evidence.ts";
import { checkTrustFlags, openSignerPolicy } from "../blob_trust.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import { VERIFY_BLOB_FLAGS } from "../flags/blob.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { openSearchedLog } from "../searched_log.ts";
import { signatureDigest, warnWithoutLog } from "../verification.ts";

type Call = Invocation<typeof VERIFY_BLOB_FLAGS>;

/** Plain Ed25519 signs the blob itself, which must then be in memory as a whole. */
const MAX_ED25519_BYTES = 256 * 1024 * 1024;
const DIGEST_HEX_CHARS = { sha224: 56, sha256: 64, sha384: 96, sha512: 128 } as const;

/** `verify-blob`: the signature of one blob. */
export const verifyBlobCommand: CommandFunction<typeof VERIFY_BLOB_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const only = checkFlags(call, generation);
  using deadline = startDeadline(flags.timeout, "Cannot verify the blob");
  const context = { env, signal: deadline.signal };
  const trust = await openSignerPolicy(call, generation, context);
  const { evidence, claimed, material, bundle } = await readEvidence(flags, context);
  if (flags["trusted-root"] && bundle !== "new") {
    throw usage("--trusted-root only supported with --new-bundle-format");
  }
  if (evidence.kind === "dsse" && !flags["allow-dsse"]) throw attestation();
  const { logThreshold = 0 } = trust.witnesses ?? {};
  if (bundle === "new" && logThreshold > 0 && evidence.kind === "signature" && !evidence.digest) {
    throw new CosignError(
      "BUNDLE_INVALID",
      "failed to verify log inclusion: validation error: missing verification material: the bundle does not state the digest of what was signed",
    );
  }
  const { key, policy } = expectedSigner(trust, claimed);
  const blob = await readSigned(args[0] ?? "", { key, evidence, only }, context);
  const log = openSearchedLog(call, { logThreshold }, deadline.signal);
  const unlogged =
    bundle === "new" || evidence.kind === "dsse"
      ? []
      : unloggedIn(blobContent(blob, only), [evidence.signature], material, policy);
  const complete = await withLookedUp(material, unlogged, policy, log);
  const { warnings } = verifyBlob(blob, evidence, complete, policy);
  for (const warning of warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
  stderr.write("Verified OK\n");
  return 0;
};

function checkFlags(call: Call, generation: Generation): SignatureDigestAlgorithm | undefined {
  const { flags, given } = call;
  warnWithoutLog("blob", call);
  checkTrustFlags(call, generation);
  refuseLater(VERIFY_BLOB_FLAGS, flags, given);
  const only = signatureDigest(flags["signature-digest-algorithm"]);
  return only;
}

/** Reads the blob; where there is none, its digest, when that is what was named (`sha256:…`). */
async function readSigned(
  source: string,
  wanted: {
    readonly key: PublicKey;
    readonly evidence: BlobEvidence;
    readonly only: SignatureDigestAlgorithm | undefined;
  },
  context: { readonly env: Call["env"]; readonly signal: AbortSignal },
): Promise<SignedBlob> {
  const { key, evidence, only } = wanted;
  const whole = key.type === "ed25519" && evidence.kind === "signature" ? evidence : undefined;
  const keptBytes = whole ? MAX_ED25519_BYTES : KEPT_BYTES;
  const algorithms = digestsOfBlob(key, evidence, only);
  try {
    const blob = await readBlob(source, { ...context, algorithms, keptBytes });
    if (whole && blob.bytes === undefined) checkLongEd25519(blob, key, whole.signature, only);
    return blob;
  } catch (error) {
    const digests = hasCode(error, "FILE_READ") ? parseDigestArgument(source) : undefined;
    if (digests === undefined) throw error;
    return { source, digests };
  }
}

/** Ed25519ph is over a digest and has no limit; whether it is that only the signature tells. */
function checkLongEd25519(
  blob: SignedBlob & { readonly sizeBytes: number },
  key: PublicKey,
  signature: Uint8Array,
  only: SignatureDigestAlgorithm | undefined,
): void {
  try {
    blobContent(blob, only).check(key, signature);
  } catch (error) {
    if (!hasCode(error, "SIGNATURE_INVALID")) throw error;
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot verify "${blob.source}": plain Ed25519 needs the blob in memory, it has ${blob.sizeBytes} bytes, at most ${MAX_ED25519_BYTES} are read`,
      { hint: "Sign large files with an ECDSA key", cause: error },
    );
  }
}

function parseDigestArgument(text: string): SignedBlob["digests"] | undefined {
  const parts = /^(sha224|sha256|sha384|sha512):([0-9A-Fa-f]+)$/.exec(text);
  const name = parts?.[1] as SignatureDigestAlgorithm | undefined;
  const hex = parts?.[2] ?? "";
  if (name === undefined || hex.length !== DIGEST_HEX_CHARS[name]) return undefined;
  return { [name]: Uint8Array.fromHex(hex) };
}

function attestation(): CosignError {
  return new CosignError(
    "PREDICATE_MISMATCH",
    "an attestation is no signature: the bundle holds a DSSE envelope, expected a message signature",
    { hint: "Use verify-blob-attestation to check attestations, or add --allow-dsse" },
  );
}
