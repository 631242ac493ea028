import { createHash } from "node:crypto";
import { encodePem } from "../crypto/pem.ts";
import { parsePublicKeyDer } from "../crypto/public_key.ts";
import { verifySignature } from "../crypto/signature.ts";
import type { MessageDigest } from "../formats/bundle.ts";
import { type DsseEnvelope, encodeDsse, encodePae } from "../formats/dsse.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import type { TrustedLog } from "../formats/trusted_root.ts";
import { parseCertificate } from "../formats/x509.ts";
import { redactUrl } from "../io/http.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { checkLogBody, type LoggedSignature } from "../verify/log_entry.ts";
import { UPLOAD } from "./_log_answer.ts";
import { dsseEntry, hashedRekord, intotoEntry, type ProposedEntry } from "./_proposed_entry.ts";
import { addToV1 } from "./_rekor_v1.ts";
import { addToV2, digestFor, type HashedRequest } from "./_rekor_v2.ts";
import { protocolError, type ServiceContext } from "./service.ts";

/** A transparency log that takes entries: Rekor, with its API of either version. */
export interface LogService {
  /** Without the path of the API. */
  readonly url: string;
  readonly majorVersion: 1 | 2;
  /**
   * The logs that are trusted. A log of v2 that has the entry already does not say who it is: the one
   * of these that has signed its checkpoint is. Default: none, and such an entry is refused.
   */
  readonly trusted?: readonly TrustedLog[];
}

/** Who made the signature, as the log wants it. */
export type EntryVerifier =
  | {
      /** DER. */
      readonly certificate: Uint8Array;
    }
  | { readonly publicKey: PublicKey };

/**
 * What shall be written into a log: a signature over a message, of which the log sees the digest, or
 * an envelope of one signature.
 *
 * Rekor checks the signature. A `hashedrekord` must be over the digest that goes with the key (P-384:
 * SHA-384; Ed25519: Ed25519ph, over SHA-512). Rekor v1 gets an envelope whole, and takes ECDSA over
 * SHA-256 and plain Ed25519 only; Rekor v2 gets the hash of what was signed, as `hashedrekord`.
 */
export type EntryProposal =
  | {
      readonly kind: "hashedrekord";
      readonly digest: MessageDigest;
      /** Raw bytes. */
      readonly signature: Uint8Array;
      readonly verifier: EntryVerifier;
    }
  | {
      /** `intoto`: for Rekor v1 alone, as cosign 1 wrote it. Such an entry does not hold the signature. */
      readonly kind: "dsse" | "intoto";
      readonly envelope: DsseEnvelope;
      readonly verifier: EntryVerifier;
      /** The envelope's JSON as it is stored: the log hashes these bytes. Default: as it stands in bundles. */
      readonly text?: string;
    };

/** Who made a signature, read. */
interface Signer {
  readonly key: PublicKey;
  /** DER. */
  readonly certificate?: Uint8Array;
}

/**
 * Writes a signature into a log. Where the log has the entry already (409), that is as good, once it
 * is seen to be the same. The answer is one to this very proposal; whether the log is to be trusted,
 * `verify/log_entry.ts` says.
 *
 * @returns the entry with its kind: of v1 with the log's promise, of v2 with proof and checkpoint.
 * @throws {CosignError} `LOG_REFUSED` when the log does not take it, `LIMIT_EXCEEDED` when it is too large for a
 * log, `KEY_UNSUPPORTED` for a key or a digest that logs do not take, `SIGNATURE_INVALID` for an envelope that
 * the key has not signed, `LOG_ENTRY_MISMATCH` when the answer is about something else, `SERVICE_PROTOCOL`
 * when it is none, and as `callService()`.
 */
export async function uploadEntry(
  proposal: EntryProposal,
  log: LogService,
  context: ServiceContext,
): Promise<LogEntry> {
  const signer = readSigner(proposal.verifier);
  const { entry, wasThere } =
    log.majorVersion === 1
      ? await addToV1(proposedEntry(proposal, signer), log.url, context)
      : await addToV2(hashedRequest(proposal, signer, log), log, context);
  try {
    const { kind, version } = checkLogBody(entry, aboutOf(proposal, signer));
    return { ...entry, kindVersion: { kind, version } };
  } catch (error) {
    if (hasCode(error, "LOG_ENTRY_INVALID")) {
      throw protocolError({ what: UPLOAD, url: log.url }, error.message, error);
    }
    if (!wasThere || !hasCode(error, "LOG_ENTRY_MISMATCH")) throw error;
    throw new CosignError(
      "LOG_REFUSED",
      `Cannot ${UPLOAD} from "${redactUrl(log.url)}": it says that it has the entry already, but that one is another: ${error.message}`,
      { cause: error },
    );
  }
}

function readSigner(verifier: EntryVerifier): Signer {
  if ("publicKey" in verifier) return { key: verifier.publicKey };
  const { certificate } = verifier;
  return { certificate, key: parsePublicKeyDer(parseCertificate(certificate).spki, "certificate") };
}

function proposedEntry(proposal: EntryProposal, { key, certificate }: Signer): ProposedEntry {
  const verifierPem =
    certificate === undefined
      ? encodePem("PUBLIC KEY", key.spki)
      : encodePem("CERTIFICATE", certificate);
  if (proposal.kind === "hashedrekord") {
    const { digest, signature } = proposal;
    if (key.type === "ed25519" && digest.algorithm !== "sha512") {
      throw new CosignError(
        "KEY_UNSUPPORTED",
        "Cannot log a signature by plain Ed25519: logs take Ed25519ph, which is over SHA-512",
      );
    }
    return hashedRekord(digest, signature, verifierPem);
  }
  const { envelope, text = encodeDsse(envelope) } = proposal;
  checkScheme(envelope, key);
  return proposal.kind === "dsse" ? dsseEntry(text, verifierPem) : intotoEntry(text, verifierPem);
}

/** The digest or the kind of Ed25519 that Rekor v1 does not look for; it says of them that they do not match. */
function checkScheme(envelope: DsseEnvelope, key: PublicKey): void {
  const pae = encodePae(envelope.payloadType, envelope.payload);
  const scheme = verifySignature(key, pae, onlySignature(envelope));
  if (scheme === "ed25519" || scheme.endsWith("-sha256")) return;
  throw new CosignError(
    "KEY_UNSUPPORTED",
    `Cannot log an envelope whose signature is ${scheme}: Rekor v1 takes ECDSA and RSA over SHA-256, and plain Ed25519`,
    { hint: "A log of Rekor v2 takes it: name one with --signing-config" },
  );
}

function hashedRequest(
  proposal: EntryProposal,
  { key, certificate }: Signer,
  { url }: LogService,
): HashedRequest {
  const signer = { key, ...(certificate === undefined ? {} : { certificate }) };
  if (proposal.kind === "hashedrekord") {
    const { digest, signature } = proposal;
    return { ...signer, digest, signature };
  }
  if (proposal.kind === "intoto") {
    throw new CosignError(
      "USAGE",
      `Cannot ${UPLOAD} from "${redactUrl(url)}": an entry of the type intoto is for Rekor v1 only`,
      { hint: "Use --rekor-entry-type dsse" },
    );
  }
  const { payloadType, payload } = proposal.envelope;
  const algorithm = digestFor(key.type);
  const pae = encodePae(payloadType, payload);
  const digest = new Uint8Array(createHash(algorithm).update(pae).digest());
  return {
    ...signer,
    digest: { algorithm, digest },
    signature: onlySignature(proposal.envelope),
  };
}

function aboutOf(proposal: EntryProposal, { key, certificate }: Signer): LoggedSignature {
  const signer = { spki: key.spki, ...(certificate === undefined ? {} : { certificate }) };
  if (proposal.kind === "hashedrekord") {
    const { signature, digest } = proposal;
    const content = { kind: "message", digests: { [digest.algorithm]: digest.digest } } as const;
    return { signature, signer, content };
  }
  const { envelope } = proposal;
  return { signature: onlySignature(envelope), signer, content: { kind: "dsse", envelope } };
}

/** An entry names one signer. */
function onlySignature({ signatures }: DsseEnvelope): Uint8Array {
  const [first, ...more] = signatures;
  if (first !== undefined && more.length === 0) return first.sig;
  throw new TypeError(`an envelope of ${signatures.length} signatures, expected one`);
}
