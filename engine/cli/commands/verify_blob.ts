import { KEPT_BYTES, type ReadBlobOptions, readBlob } from "../../io/blob.ts";
import { CosignError, hasCode } from "../../model/errors.ts";
import type { Generation } from "../../model/exit_code.ts";
import type { PublicKey } from "../../model/key.ts";
import type { SignatureDigestAlgorithm } from "../../model/policy.ts";
import { type SearchedLog, withLookedUp } from "../../transparency/look_up.ts";
import {
  type BlobEvidence,
  blobContent,
  digestsOfBlob,
  type SignedBlob,
  verifyBlob,
} from "../../verify/blob.ts";
import { expectedSigner } from "../../verify/blob_signer.ts";
import type { SignerPolicy, VerifiedSigner } from "../../verify/signer.ts";
import { unloggedIn } from "../../verify/unlogged.ts";
import { verifyBlobByLog } from "../blob_by_log.ts";
import { type FoundSignature, readEvidence } from "../blob_evidence.ts";
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
  const found = await readEvidence(flags, context);
  const { evidence, bundle } = found;
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
  const log = await openSearchedLog(call, { logThreshold }, deadline.signal);
  const isNamed = bundle !== undefined || trust.keys.length > 0 || flags.certificate;
  const { warnings } =
    isNamed || log === undefined
      ? await verifySigned(args[0] ?? "", found, { trust, only, log }, context)
      : await verifyUnnamed(args[0] ?? "", evidence, { trust, log }, context);
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

interface Context {
  readonly env: Call["env"];
  readonly signal: AbortSignal;
}

async function verifySigned(
  source: string,
  { evidence, claimed, material, bundle }: FoundSignature,
  {
    trust,
    only,
    log,
  }: {
    readonly trust: SignerPolicy;
    readonly only: SignatureDigestAlgorithm | undefined;
    readonly log: SearchedLog | undefined;
  },
  context: Context,
): Promise<VerifiedSigner> {
  const { key, policy } = expectedSigner(trust, claimed);
  const whole = key.type === "ed25519" && evidence.kind === "signature" ? evidence : undefined;
  const blob = await readBlobOrDigest(source, {
    ...context,
    algorithms: digestsOfBlob(key, evidence, only),
    keptBytes: whole ? MAX_ED25519_BYTES : KEPT_BYTES,
  });
  if (whole) checkLongEd25519(blob, key, whole.signature, only);
  const unlogged =
    bundle === "new" || evidence.kind === "dsse"
      ? []
      : unloggedIn(blobContent(blob, only), [evidence.signature], material, policy);
  const complete = await withLookedUp(material, unlogged, policy, log);
  return verifyBlob(blob, evidence, complete, policy);
}

/** Nobody says who has signed: cosign 1 asks the log then. */
async function verifyUnnamed(
  source: string,
  evidence: BlobEvidence,
  { trust, log }: { readonly trust: SignerPolicy; readonly log: SearchedLog },
  context: Context,
): Promise<VerifiedSigner> {
  if (evidence.kind === "dsse") throw attestation();
  const algorithms = ["sha256", "sha384", "sha512"] as const;
  const blob = await readBlobOrDigest(source, { ...context, algorithms, keptBytes: KEPT_BYTES });
  return await verifyBlobByLog(blob, evidence.signature, trust, log);
}

/** Reads the blob; where there is none, its digest, when that is what was named (`sha256:…`). */
async function readBlobOrDigest(
  source: string,
  options: ReadBlobOptions,
): Promise<SignedBlob & { readonly sizeBytes?: number }> {
  try {
    return await readBlob(source, options);
  } catch (error) {
    const digests = hasCode(error, "FILE_READ") ? parseDigestArgument(source) : undefined;
    if (digests === undefined) throw error;
    return { source, digests };
  }
}

/** Ed25519ph is over a digest and has no limit; whether it is that only the signature tells. */
function checkLongEd25519(
  blob: SignedBlob & { readonly sizeBytes?: number },
  key: PublicKey,
  signature: Uint8Array,
  only: SignatureDigestAlgorithm | undefined,
): void {
  // Of a digest alone it is said elsewhere what is missing.
  if (blob.bytes !== undefined || blob.sizeBytes === undefined) return;
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
