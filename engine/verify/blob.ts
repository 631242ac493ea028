import { digestsToVerify, type KnownDigests, verifyDigest } from "../crypto/digest_signature.ts";
import { verifySignature } from "../crypto/signature.ts";
import type { MessageDigest } from "../formats/bundle.ts";
import type { DsseEnvelope } from "../formats/dsse.ts";
import type { SignatureMaterial } from "../formats/evidence.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { openEnvelope, subjectsAbout } from "./envelope.ts";
import {
  findSigner,
  type SignedContent,
  type SignerPolicy,
  type VerifiedSigner,
} from "./signer.ts";

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
  // A transparency log names an artifact by SHA-256, or by the digest that goes with the key.
  return [...new Set([...digestsToVerify(key, only), ...named, "sha256" as const])];
}

/**
 * Checks that `evidence` is a signature of the blob by somebody who counts, or an attestation about it.
 *
 * @throws {CosignError} `CLAIM_MISMATCH` (about another blob), `ENVELOPE_INVALID`, or as `findSigner()`.
 */
export function verifyBlob(
  blob: SignedBlob,
  evidence: BlobEvidence,
  material: SignatureMaterial,
  policy: SignerPolicy,
): VerifiedSigner {
  if (evidence.kind === "dsse") {
    const { statement, signer } = openEnvelope(evidence.envelope, material, policy);
    checkSubject(blob, statement);
    return signer;
  }
  checkDigest(blob, evidence.digest);
  return findSigner(
    blobContent(blob, policy.signatureDigestAlgorithm),
    [evidence.signature],
    material,
    policy,
  );
}

/** A blob that was signed as it is. @param only The digest that the signature must be over. */
export function blobContent(
  { bytes, digests }: SignedBlob,
  only?: SignatureDigestAlgorithm,
): SignedContent {
  return {
    check: (key, signature) =>
      bytes === undefined
        ? verifyDigest(key, digests, signature, only)
        : verifySignature(key, bytes, signature, only),
    logged: () => ({ kind: "message", digests }),
  };
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
