import { digestsToVerify, type KnownDigests, verifyDigest } from "../crypto/digest_signature.ts";
import { type SignatureScheme, verifySignature } from "../crypto/signature.ts";
import type { MessageDigest } from "../formats/bundle.ts";
import type { DsseEnvelope } from "../formats/dsse.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { openEnvelope, subjectsAbout } from "./envelope.ts";

/** What is known of a blob. */
export interface SignedBlob {
  /** As the user named it. */
  readonly source: string;
  readonly digests: KnownDigests;
  /** All of it; absent when it is too large, or when nobody but its digest is there. */
  readonly bytes?: Uint8Array;
}

/** Something that may be a signature of a blob; attacker-controlled. */
export type BlobEvidence =
  | {
      readonly kind: "signature";
      readonly signature: Uint8Array;
      /** What the signer says that the blob's digest is. */
      readonly digest?: MessageDigest;
    }
  | { readonly kind: "dsse"; readonly envelope: DsseEnvelope };

/** Algorithms that statements name their subjects by. */
const SUBJECT_DIGESTS = ["sha256", "sha384", "sha512"] as const;

/** The digests of a blob that {@link verifyBlob} asks for. */
export function digestsOfBlob(
  key: PublicKey,
  evidence: BlobEvidence,
  only?: SignatureDigestAlgorithm,
): readonly SignatureDigestAlgorithm[] {
  if (evidence.kind === "dsse") return SUBJECT_DIGESTS;
  const named = evidence.digest === undefined ? [] : [evidence.digest.algorithm];
  return [...new Set([...digestsToVerify(key.type, only), ...named])];
}

/**
 * Checks that `evidence` is a signature of the blob by the key, or an attestation about it.
 *
 * @param only Takes signatures over this digest instead of those that go with the key.
 * @throws {CosignError} `SIGNATURE_INVALID`, `CLAIM_MISMATCH` (about another blob), `ENVELOPE_INVALID`.
 */
export function verifyBlob(
  blob: SignedBlob,
  evidence: BlobEvidence,
  key: PublicKey,
  only?: SignatureDigestAlgorithm,
): SignatureScheme | "dsse" {
  if (evidence.kind === "dsse") {
    const policy = {
      keys: [key],
      ...(only === undefined ? {} : { signatureDigestAlgorithm: only }),
    };
    const { statement } = openEnvelope(evidence.envelope, policy);
    checkSubject(blob, statement);
    return "dsse";
  }
  checkDigest(blob, evidence.digest);
  return blob.bytes === undefined
    ? verifyDigest(key, blob.digests, evidence.signature, only)
    : verifySignature(key, blob.bytes, evidence.signature, only);
}

function checkDigest(blob: SignedBlob, said: MessageDigest | undefined): void {
  const got = said === undefined ? undefined : blob.digests[said.algorithm];
  if (said === undefined || got === undefined || equalBytes(got, said.digest)) return;
  throw new CosignError(
    "CLAIM_MISMATCH",
    `failed to verify signature: the bundle is about ${said.algorithm}:${said.digest.toHex()}, "${blob.source}" is ${said.algorithm}:${got.toHex()}`,
  );
}

function checkSubject(blob: SignedBlob, statement: Parameters<typeof subjectsAbout>[0]): void {
  const known = SUBJECT_DIGESTS.flatMap((name) => {
    const digest = blob.digests[name];
    return digest === undefined ? [] : [{ name, hex: digest.toHex() }];
  });
  // One name of the blob is enough, as for images.
  const about = known.find(({ name, hex }) =>
    statement.subjects.some(({ digest }) => digest[name]?.toLowerCase() === hex),
  );
  const { name, hex } = about ?? known[0] ?? { name: "sha256", hex: "" };
  subjectsAbout(statement, name, hex);
}
