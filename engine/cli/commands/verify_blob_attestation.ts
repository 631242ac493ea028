import { type DsseEnvelope, parseDsse } from "../../formats/dsse.ts";
import { NO_MATERIAL, type SignatureMaterial } from "../../formats/evidence.ts";
import { acceptedPredicateUris } from "../../formats/predicates.ts";
import { parseStrictJson } from "../../formats/strict_json.ts";
import { readBlob, readShort } from "../../io/blob.ts";
import type { Environment } from "../../io/env.ts";
import { tidyAfter } from "../../io/runtime_memory.ts";
import { parseBase64Either, parseUtf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { Generation } from "../../model/exit_code.ts";
import { withLookedUp } from "../../transparency/look_up.ts";
import {
  BLOB_DIGESTS,
  type BlobDigest,
  judgeBlobStatement,
  openBlobAttestation,
} from "../../verify/blob_attestation.ts";
import { type ClaimedSigner, expectedSigner } from "../../verify/blob_signer.ts";
import { unloggedEnvelope } from "../../verify/unlogged.ts";
import { parseAnyBundle, readTimestamp } from "../blob_evidence.ts";
import { checkTrustFlags, openSignerPolicy } from "../blob_trust.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { attachmentLimitOf } from "../conventions.ts";
import { startDeadline } from "../deadline.ts";
import { VERIFY_BLOB_ATTESTATION_FLAGS } from "../flags/verify_attestation.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { openSearchedLog } from "../searched_log.ts";
import { warnWithoutLog } from "../verification.ts";

type Call = Invocation<typeof VERIFY_BLOB_ATTESTATION_FLAGS>;

interface Context {
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/** `verify-blob-attestation`: that a signed statement is about one file. */
export const verifyBlobAttestationCommand: CommandFunction<
  typeof VERIFY_BLOB_ATTESTATION_FLAGS
> = async (call) => {
  const { flags, env, stderr } = call;
  const { generation, digest } = settingsOf(call);
  using deadline = startDeadline(flags.timeout, "Cannot verify the attestation");
  const context = { env, signal: deadline.signal };
  const trust = await openSignerPolicy(call, generation, context);
  const limitBytes = attachmentLimitOf(env, stderr);
  const { envelope, claimed, material, text } = await readEnvelope(flags, limitBytes, context);
  tidyAfter(envelope.payload.length);
  const { policy } = expectedSigner(trust, claimed);
  const { logThreshold = 0 } = policy.witnesses ?? {};
  const log = await openSearchedLog(call, { logThreshold }, deadline.signal);
  const unlogged = text === undefined ? [] : unloggedEnvelope(envelope, text, material, policy);
  const complete = await withLookedUp(material, unlogged, policy, log);
  const { statement, algorithms, signer } = openBlobAttestation(envelope, complete, policy, text);
  const digests = digest === undefined ? await digestsOf(algorithms, call, context) : [digest];
  judgeBlobStatement(statement, flags["check-claims"] ? digests : undefined, {
    ...policy,
    accepted: acceptedPredicateUris(flags.type),
    asked: flags.type,
  });
  for (const warning of signer.warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
  stderr.write("Verified OK\n");
  return 0;
};

/** Checks the flags in cosign's order. */
function settingsOf(call: Call): {
  readonly generation: Generation;
  readonly digest?: BlobDigest;
} {
  const { flags, given, args, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  warnWithoutLog("blob attestation", call);
  if (!flags.signature && !flags.bundle) {
    throw usage("please specify path to the DSSE envelope signature via --signature or --bundle");
  }
  checkTrustFlags(call, generation);
  refuseLater(VERIFY_BLOB_ATTESTATION_FLAGS, flags, given);
  if (flags.type === "")
    throw usage("missing predicate type", "Add --type, such as slsaprovenance");
  const digest = digestFlags(call);
  if (digest !== undefined && args.length > 0) {
    stderr.write("WARNING: Ignoring provided --digest in favor of provided blob\n");
  }
  if (flags["check-claims"] && args.length === 0 && digest === undefined) {
    throw usage(
      "Cannot check what the attestation is about: there is no file, nor --digest with --digestAlg",
      "Name the file, or leave the check out with --check-claims=false",
    );
  }
  return args.length > 0 || digest === undefined ? { generation } : { generation, digest };
}

function digestFlags({ flags }: Call): BlobDigest | undefined {
  if (flags.digestAlg && !BLOB_DIGESTS.some((name) => name === flags.digestAlg)) {
    throw usage(
      `unsupported digest algorithm: ${flags.digestAlg}`,
      `One of: ${BLOB_DIGESTS.join(", ")}`,
    );
  }
  if (!flags.digest || !flags.digestAlg) return undefined;
  if (!/^(?:[0-9A-Fa-f]{2})+$/.test(flags.digest)) {
    throw usage(
      `unable to decode provided digest: ${JSON.stringify(flags.digest)} is not hexadecimal`,
    );
  }
  const algorithm = BLOB_DIGESTS.find((name) => name === flags.digestAlg) ?? "sha256";
  return { algorithm, hex: flags.digest.toLowerCase() };
}

/** The digests of the file: by `--digestAlg`, or by whatever the statement names its subjects by. */
async function digestsOf(
  named: readonly BlobDigest["algorithm"][],
  { flags, args }: Call,
  context: Context,
): Promise<readonly BlobDigest[]> {
  const [path] = args;
  if (path === undefined || !flags["check-claims"]) return [];
  const asked = BLOB_DIGESTS.filter((name) => name === flags.digestAlg);
  const algorithms = asked.length > 0 ? asked : named;
  const { digests } = await readBlob(path, { ...context, algorithms, keptBytes: 0 });
  return algorithms.flatMap((algorithm) => {
    const digest = digests[algorithm];
    return digest === undefined ? [] : [{ algorithm, hex: digest.toHex() }];
  });
}

/** An attestation of a file, and what comes with it. Attacker-controlled. */
interface FoundAttestation {
  readonly envelope: DsseEnvelope;
  readonly claimed: ClaimedSigner;
  readonly material: SignatureMaterial;
  /** The envelope's JSON, where it lies there by itself. */
  readonly text?: string;
}

/** The envelope in the file of `--bundle` or `--signature`, and the timestamp in that of its own. */
async function readEnvelope(
  flags: Pick<Call["flags"], "bundle" | "signature" | "rfc3161-timestamp">,
  limitBytes: number,
  context: Context,
): Promise<FoundAttestation> {
  const found = await readNamed(flags, limitBytes, context);
  const stamp = flags["rfc3161-timestamp"];
  if (!stamp) return found;
  const timestamp = await readTimestamp(stamp, context);
  return { ...found, material: { ...found.material, timestamps: [timestamp] } };
}

async function readNamed(
  { bundle, signature }: Pick<Call["flags"], "bundle" | "signature">,
  limitBytes: number,
  context: Context,
): Promise<FoundAttestation> {
  const path = bundle || signature || "";
  const bytes = await readShort(path, limitBytes, context);
  tidyAfter(bytes.length);
  if (!bundle) {
    return { ...parseEnvelope(bytes, path), claimed: { kind: "none" }, material: NO_MATERIAL };
  }
  const { evidence, claimed, material, bundle: format } = parseAnyBundle(bytes, path);
  if (evidence.kind === "dsse") return { envelope: evidence.envelope, claimed, material };
  if (format === "old") {
    return { ...parseEnvelope(evidence.signature, path), claimed, material };
  }
  throw new CosignError(
    "BUNDLE_INVALID",
    `Cannot read attestation "${path}": bundle does not contain a DSSE envelope`,
    { hint: "It holds a signature of a file: use verify-blob" },
  );
}

/** JSON of an envelope; 1.x wrote base64 of it. */
function parseEnvelope(
  bytes: Uint8Array,
  path: string,
): { readonly envelope: DsseEnvelope; readonly text: string } {
  try {
    const plain = parseUtf8(bytes).trim();
    const text = plain.startsWith("{") ? plain : parseUtf8(parseBase64Either(plain));
    return { envelope: parseDsse(parseStrictJson(text)), text };
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    const message = `Cannot read attestation "${path}": ${describeError(cause)}`;
    throw new CosignError("BUNDLE_INVALID", message, { cause });
  }
}
