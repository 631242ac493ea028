import { createHash } from "node:crypto";
import type { KnownDigests } from "../crypto/digest_signature.ts";
import { type SignatureScheme, verifySignature } from "../crypto/signature.ts";
import { type DsseEnvelope, encodePae } from "../formats/dsse.ts";
import type { Evidence, SignatureMaterial } from "../formats/evidence.ts";
import { NO_MATERIAL } from "../formats/evidence.ts";
import { isWithin, type TrustedAuthority, type TrustedLog } from "../formats/trusted_root.ts";
import { type Certificate, parseCertificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { type TrustedCertificate, verifyCertificate } from "./certificate.ts";
import { checkIdentity, type IdentityPolicy } from "./identity.ts";
import { checkLogValidity, type LoggedSignature } from "./log_entry.ts";
import { verifySct } from "./sct.ts";
import { verifyWitnesses, type Witnesses, type WitnessPolicy } from "./witnesses.ts";

/** Who may have signed. */
export interface SignerPolicy {
  /** Any of them. */
  readonly keys: readonly PublicKey[];
  /** Certificates that may have signed instead; absent: none. */
  readonly certificates?: CertificatePolicy;
  /** Who must vouch for the signature beside its signer; absent: nobody is asked. */
  readonly witnesses?: WitnessPolicy;
  /** Only this digest, instead of those that go with the key. */
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
}

/** Which certificates count. */
export interface CertificatePolicy {
  readonly authorities: readonly TrustedAuthority[];
  /** Any of them. One that demands nothing is met by every certificate. */
  readonly identities: readonly IdentityPolicy[];
  /** Logs of which one must have seen the certificate; absent: not asked. */
  readonly ctLogs?: readonly TrustedLog[];
  /** The one that must have been used. */
  readonly certificate?: Certificate;
  /** A signed certificate timestamp that lies elsewhere: JSON. */
  readonly sct?: Uint8Array;
  /** When the chain must be valid where no evidence states a time; absent: then it is refused. */
  readonly now?: Date;
}

/** What was signed, as its signer and its witnesses see it. */
export interface SignedContent {
  /** @returns how it was made. @throws {CosignError} `SIGNATURE_INVALID`. */
  readonly check: (key: PublicKey, signature: Uint8Array) => SignatureScheme;
  /** What a log's entry must be about; worked out when it is asked for. */
  readonly logged: () => LoggedSignature["content"];
  /** What timestamps may be of, beside the signature itself. */
  readonly stamped?: Uint8Array;
}

/** Who has signed, and who vouches for it. */
export interface VerifiedSigner extends Witnesses {
  readonly key: PublicKey;
  /** Absent when a key was believed. */
  readonly certificate?: TrustedCertificate;
  /** The one that holds, of several; raw bytes. */
  readonly signature: Uint8Array;
}

/**
 * What vouches for a signature, when somebody is asked.
 *
 * @throws {CosignError} `BUNDLE_INVALID` when it could not be read.
 */
export function materialFor(
  { material = NO_MATERIAL }: Pick<Evidence, "material">,
  { certificates, witnesses }: SignerPolicy,
): SignatureMaterial {
  if (certificates === undefined && witnesses === undefined) return NO_MATERIAL;
  if ("unreadable" in material) throw new CosignError("BUNDLE_INVALID", material.unreadable);
  return material;
}

/** Bytes that were signed as they are. @param only The digest that the signature must be over. */
export function messageContent(
  message: Uint8Array,
  only?: SignatureDigestAlgorithm,
): SignedContent {
  return {
    check: (key, signature) => verifySignature(key, message, signature, only),
    logged: () => ({ kind: "message", digests: digestsOf(message) }),
  };
}

/** An envelope: its PAE is signed. */
export function envelopeContent(
  envelope: DsseEnvelope,
  only?: SignatureDigestAlgorithm,
): SignedContent {
  const message = encodePae(envelope.payloadType, envelope.payload);
  return { ...messageContent(message, only), logged: () => ({ kind: "dsse", envelope }) };
}

function digestsOf(message: Uint8Array): KnownDigests {
  const hash = (name: string) => new Uint8Array(createHash(name).update(message).digest());
  return { sha256: hash("sha256"), sha384: hash("sha384"), sha512: hash("sha512") };
}

/**
 * Finds who made one of `signatures`: one of the keys, else a certificate that counts. A key that a
 * bundle brings along counts for nothing.
 *
 * @throws {CosignError} `SIGNATURE_INVALID`, `LOG_…`, `TIMESTAMP_…`, `TIME_UNKNOWN`, `CERTIFICATE_…`,
 * `SCT_…`, `IDENTITY_MISMATCH`: why the one that came furthest does not count.
 */
export function findSigner(
  content: SignedContent,
  signatures: readonly Uint8Array[],
  material: SignatureMaterial,
  policy: SignerPolicy,
): VerifiedSigner {
  const { keys, certificates, witnesses } = policy;
  let last: CosignError | undefined;
  const attempts = [
    ...keys.map((key) => (one: Uint8Array) => byKey(content, one, key, material, policy)),
    ...(certificates === undefined
      ? []
      : [(one: Uint8Array) => byCertificate(content, one, material, certificates, witnesses)]),
  ];
  for (const attempt of attempts) {
    for (const signature of signatures) {
      try {
        return attempt(signature);
      } catch (error) {
        if (!(error instanceof CosignError)) throw error;
        if (last === undefined || hasCode(last, "SIGNATURE_INVALID")) last = error;
      }
    }
  }
  throw last ?? new CosignError("SIGNATURE_INVALID", "There is no key to verify with");
}

function byKey(
  content: SignedContent,
  signature: Uint8Array,
  key: PublicKey,
  material: SignatureMaterial,
  { witnesses }: SignerPolicy,
): VerifiedSigner {
  content.check(key, signature);
  if (witnesses === undefined)
    return { key, signature, logEntries: [], timestamps: [], warnings: [] };
  // A key may have signed with a certificate of its own: then the log names that.
  const certificate = certificateOfKey(key, material);
  const seen = verifyWitnesses(
    {
      signature,
      signer: { spki: key.spki, ...(certificate === undefined ? {} : { certificate }) },
      content: content.logged(),
    },
    stampedBytes(content, signature),
    material,
    { ...witnesses, needsTime: false },
  );
  return { key, signature, ...seen };
}

/** The certificate beside a signature, where it is of the key that is to have signed: DER. */
export function certificateOfKey(
  key: PublicKey,
  { certificates }: SignatureMaterial,
): Uint8Array | undefined {
  const [der] = certificates;
  if (der === undefined) return undefined;
  const { spki } = parsed(der);
  return equalBytes(spki, key.spki) ? der : undefined;
}

/** What came along beside the signer's own certificate. @throws {CosignError} `CERTIFICATE_INVALID`. */
export function broughtBy({ certificates }: SignatureMaterial): readonly Certificate[] {
  return certificates.slice(1).map(parsed);
}

/** In cosign 3.1's order; the time is established before the chain. */
function byCertificate(
  content: SignedContent,
  signature: Uint8Array,
  material: SignatureMaterial,
  policy: CertificatePolicy,
  witnesses: WitnessPolicy | undefined,
): VerifiedSigner {
  const leaf = leafOf(material, policy.certificate);
  const brought = broughtBy(material);
  const about = {
    signature,
    signer: { certificate: leaf.der, spki: leaf.spki },
    content: content.logged(),
  };
  const seen =
    witnesses === undefined
      ? { logEntries: [], timestamps: [], warnings: [] }
      : verifyWitnesses(about, stampedBytes(content, signature), material, {
          ...witnesses,
          needsTime: policy.now === undefined,
        });
  const { certificate, warnings } = verifyAtTimes(leaf, brought, seen, policy);
  if (policy.ctLogs !== undefined) {
    const issuer = certificate.chain[1] ?? leaf;
    verifySct(leaf, issuer, policy.ctLogs, policy.sct ?? material.detachedSct);
  }
  content.check(certificate.key, signature);
  checkIdentities(leaf, policy.identities);
  return {
    ...seen,
    key: certificate.key,
    certificate,
    signature,
    warnings: [...seen.warnings, ...warnings],
  };
}

/**
 * The chain at the times that the evidence states: every time by a log, and one by a timestamp, must
 * lie in the certificate's validity; a timestamp that does not is told of.
 */
function verifyAtTimes(
  leaf: Certificate,
  brought: readonly Certificate[],
  seen: Witnesses,
  policy: CertificatePolicy,
): { readonly certificate: TrustedCertificate; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  let certificate: TrustedCertificate | undefined;
  for (const { integratedTime } of seen.logEntries) {
    if (integratedTime !== undefined) certificate = verifyAt(leaf, brought, integratedTime, policy);
  }
  let refusal: CosignError | undefined;
  let stampedAt: Date | undefined;
  for (const { time } of seen.timestamps) {
    try {
      certificate = verifyAt(leaf, brought, time, policy);
      stampedAt ??= time;
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      refusal ??= error;
      warnings.push(`A timestamp of ${time.toISOString()} does not count: ${error.message}`);
    }
  }
  if (refusal !== undefined && stampedAt === undefined) throw refusal;
  for (const entry of seen.logEntries) {
    if (entry.integratedTime === undefined && stampedAt !== undefined) {
      checkLogValidity(entry, stampedAt);
    }
  }
  if (certificate === undefined && policy.now !== undefined) {
    certificate = verifyAt(leaf, brought, policy.now, policy);
  }
  if (certificate !== undefined) return { certificate, warnings };
  throw new CosignError(
    "TIME_UNKNOWN",
    "failed to verify timestamps: nothing trusted states when the certificate was used, so nobody can tell whether it was valid then",
    { hint: "Judge it by the present time with --verify-time now, if you know that it is new" },
  );
}

/**
 * Checks a certificate's chain to one of the authorities at a time.
 *
 * @param brought Certificates that came along: perhaps between it and the authority.
 * @throws {CosignError} `CERTIFICATE_…`.
 */
export function verifyAt(
  leaf: Certificate,
  brought: readonly Certificate[],
  time: Date,
  { authorities }: CertificatePolicy,
): TrustedCertificate {
  let last: CosignError | undefined;
  for (const { chain, validFor, uri } of authorities) {
    if (!isWithin(time, validFor)) {
      last ??= new CosignError(
        "CERTIFICATE_UNTRUSTED",
        `failed to verify leaf certificate: the authority "${uri}" was not trusted at ${time.toISOString()}`,
      );
      continue;
    }
    const root = chain.at(-1);
    const trust = {
      roots: root === undefined ? [] : [root],
      intermediates: [...chain.slice(0, -1), ...brought],
    };
    try {
      return verifyCertificate(leaf, trust, time);
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      if (last === undefined || hasCode(last, "CERTIFICATE_UNTRUSTED")) last = error;
    }
  }
  throw (
    last ??
    new CosignError(
      "CERTIFICATE_UNTRUSTED",
      "failed to verify leaf certificate: no certificate authority is trusted",
    )
  );
}

/**
 * The certificate that is to have signed: the one beside the signature, or the one that was given.
 *
 * @throws {CosignError} `CERTIFICATE_INVALID` when there is none, or both and they differ.
 */
export function leafOf(material: SignatureMaterial, wanted: Certificate | undefined): Certificate {
  const [der] = material.certificates;
  if (wanted !== undefined) {
    if (der !== undefined && !equalBytes(der, wanted.der)) {
      throw new CosignError(
        "CERTIFICATE_INVALID",
        "the signature was made with another certificate than the one that was given",
      );
    }
    return wanted;
  }
  if (der !== undefined) return parsed(der);
  throw new CosignError("CERTIFICATE_INVALID", "no certificate found on signature", {
    hint: "It was made with a key: verify it with --key",
  });
}

/** @throws {CosignError} `IDENTITY_MISMATCH` when the certificate is for none of them. */
export function checkIdentities(leaf: Certificate, identities: readonly IdentityPolicy[]): void {
  let last: CosignError | undefined;
  for (const identity of identities) {
    try {
      checkIdentity(leaf, identity);
      return;
    } catch (error) {
      if (!hasCode(error, "IDENTITY_MISMATCH")) throw error;
      last ??= error;
    }
  }
  throw last ?? new CosignError("IDENTITY_MISMATCH", "No identity is trusted");
}

function stampedBytes(content: SignedContent, signature: Uint8Array): readonly Uint8Array[] {
  return content.stamped === undefined ? [signature] : [signature, content.stamped];
}

function parsed(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "CERTIFICATE_INVALID",
      `Cannot read the signature's certificate: ${describeError(cause)}`,
      { cause },
    );
  }
}
