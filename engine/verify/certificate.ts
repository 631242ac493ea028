import { parsePublicKeyDer } from "../crypto/public_key.ts";
import { verifySignature } from "../crypto/signature.ts";
import type { Certificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { forbiddenName } from "./name_constraints.ts";

/** Whose certificates are believed. */
export interface Trust {
  /** Where a chain must end. They are checked like all others. */
  readonly roots: readonly Certificate[];
  /** What may stand between; believed of nothing. */
  readonly intermediates: readonly Certificate[];
}

/** A certificate that a trusted root vouches for. */
export interface TrustedCertificate {
  /** From the leaf to the root. */
  readonly chain: readonly Certificate[];
  /** The key of the leaf. */
  readonly key: PublicKey;
}

/** What a certificate is to be used for: contents of the OBJECT IDENTIFIERs of extended key usages. */
export const USE = {
  codeSigning: "2b06010505070303", // id-kp-codeSigning
  timeStamping: "2b06010505070308", // id-kp-timeStamping
} as const;
type Use = (typeof USE)[keyof typeof USE];

const USE_NAMES: Readonly<Record<Use, string>> = {
  [USE.codeSigning]: "code signing",
  [USE.timeStamping]: "time stamping",
};
const ANY_USE = "551d2500"; // anyExtendedKeyUsage
const MAX_CHAIN = 8; // Fulcio's have three
const MAX_SIGNATURES = 100; // to be checked for one leaf: many authorities may have one name

/**
 * Finds a chain from a certificate, of code signing if nothing else is said, to a root and checks it by RFC 5280 §6: signatures,
 * validity of every certificate at one time, authorities that may be such, lengths, uses, names,
 * extensions that must be understood, keys that are not weak.
 *
 * @param at The time at which all of the chain must be valid.
 * @throws {CosignError} `CERTIFICATE_INVALID` with what is wrong in the chain that came furthest;
 * `CERTIFICATE_UNTRUSTED` when none reaches a root.
 */
export function verifyCertificate(
  leaf: Certificate,
  trust: Trust,
  at: Date,
  use: Use = USE.codeSigning,
): TrustedCertificate {
  const key = keyOf(leaf);
  checkLeaf(leaf, use);
  checkValidity(leaf, at, "certificate");
  const search: Search = { trust, at, use, signaturesLeft: MAX_SIGNATURES, failure: undefined };
  const chain = extend([leaf], search);
  if (chain !== undefined) return { chain, key };
  throw (
    search.failure ??
    new CosignError(
      "CERTIFICATE_UNTRUSTED",
      "cert verification failed: x509: certificate signed by unknown authority",
      {
        hint: "Name the authorities with --certificate-chain, or --ca-roots and --ca-intermediates",
      },
    )
  );
}

/** The key of a certificate, held to the policy for all keys. @throws {CosignError} `KEY_…`. */
export function keyOf(certificate: Certificate): PublicKey {
  const known = keys.get(certificate);
  if (known !== undefined) return known;
  const key = parsePublicKeyDer(certificate.spki, "certificate");
  keys.set(certificate, key);
  return key;
}

// What was found out of certificates that stay: those of a trusted root serve every signature of a run. It
// depends on nothing but the certificates themselves, which do not change.
const keys: WeakMap<Certificate, PublicKey> = new WeakMap();
const signedBy: WeakMap<Certificate, WeakMap<Certificate, boolean>> = new WeakMap();

interface Search {
  readonly trust: Trust;
  readonly at: Date;
  readonly use: Use;
  signaturesLeft: number;
  /** Why an authority that has signed was refused: says more than that none was found. */
  failure: CosignError | undefined;
}

/** The chain, made longer until it ends at a root; nothing when it cannot. */
function extend(chain: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const last = chain.at(-1);
  if (last === undefined) return undefined;
  if (search.trust.roots.some((root) => equalBytes(root.der, last.der))) return chain;
  if (chain.length >= MAX_CHAIN) return undefined;
  for (const authority of [...search.trust.roots, ...search.trust.intermediates]) {
    if (!equalBytes(authority.subject, last.issuer)) continue;
    if (chain.some(({ der }) => equalBytes(der, authority.der))) continue;
    const problem = problemOf(authority, chain, search);
    if (problem === "did not sign") continue;
    if (problem !== undefined) {
      search.failure ??= problem;
      continue;
    }
    const found = extend([...chain, authority], search);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What speaks against an authority above a chain; nothing when it may stand there. */
function problemOf(
  authority: Certificate,
  chain: readonly Certificate[],
  search: Search,
): CosignError | "did not sign" | undefined {
  const below = chain.at(-1);
  if (below === undefined || search.signaturesLeft-- <= 0) return "did not sign";
  try {
    if (!hasSigned(authority, below)) return "did not sign";
    checkValidity(authority, search.at, "certificate of an authority");
    checkAuthority(authority, chain, search.use);
    return undefined;
  } catch (error) {
    if (error instanceof CosignError) return error;
    throw error;
  }
}

/** Whether it is the key of `authority` that signed: worked out once for two certificates. */
function hasSigned(authority: Certificate, certificate: Certificate): boolean {
  const known = signedBy.get(certificate)?.get(authority);
  if (known !== undefined) return known;
  const answer = checkSigned(authority, certificate);
  const answers = signedBy.get(certificate) ?? new WeakMap();
  signedBy.set(certificate, answers.set(authority, answer));
  return answer;
}

function checkSigned(authority: Certificate, certificate: Certificate): boolean {
  const key = keyOf(authority);
  const { signatureAlgorithm: algorithm, tbs, signature } = certificate;
  if (!key.type.startsWith(algorithm.key)) return false;
  try {
    // To an Ed25519 key, SHA-256 says: the plain one, not Ed25519ph.
    const only = algorithm.key === "ed25519" ? "sha256" : algorithm.digest;
    verifySignature(key, tbs, signature, only);
    return true;
  } catch (error) {
    if (hasCode(error, "SIGNATURE_INVALID")) return false;
    throw error;
  }
}

function checkLeaf(leaf: Certificate, use: Use): void {
  if (leaf.keyUsage?.has("digital-signature") === false) {
    throw invalid("its key usage does not allow digital signatures");
  }
  if (!mayDo(leaf, use)) {
    throw invalid(`its extended key usage does not allow ${USE_NAMES[use]}`);
  }
  checkExtensions(leaf);
}

/** CVE-2026-24122: every certificate of the chain, not the leaf alone, must be valid at the time. */
function checkValidity({ notBefore, notAfter }: Certificate, at: Date, what: string): void {
  if (at >= notBefore && at <= notAfter) return;
  const time = at.toISOString();
  throw invalid(
    at < notBefore
      ? `the ${what} is not valid at ${time}: only from ${notBefore.toISOString()}`
      : `the ${what} has expired: at ${notAfter.toISOString()}, before ${time}`,
  );
}

function checkAuthority(authority: Certificate, chain: readonly Certificate[], use: Use): void {
  if (!authority.isCa) throw invalid("its issuer is no certificate authority");
  if (authority.keyUsage?.has("certificate-sign") === false) {
    throw invalid("its issuer's key usage does not allow to sign certificates");
  }
  if (!mayDo(authority, use)) {
    throw invalid(`an authority's extended key usage does not allow ${USE_NAMES[use]}`);
  }
  // Self-issued certificates, by which authorities change their keys, do not count (RFC 5280 §6.1.4 l).
  const between = chain.slice(1).filter(({ issuer, subject }) => !equalBytes(issuer, subject));
  if (authority.pathLength !== undefined && between.length > authority.pathLength) {
    throw invalid(
      `${between.length} authorities below one that allows ${authority.pathLength} at most`,
    );
  }
  checkExtensions(authority);
  for (const below of chain) {
    const why = forbiddenName(authority, below);
    if (why !== undefined) throw invalid(`an authority forbids its names: ${why}`);
  }
}

function checkExtensions({ unknownCritical }: Certificate): void {
  if (unknownCritical.length === 0) return;
  throw invalid(`x509: unhandled critical extension: ${unknownCritical.slice(0, 5).join(", ")}`);
}

function mayDo({ extendedKeyUsages: uses }: Certificate, use: Use): boolean {
  return uses === undefined || uses.includes(use) || uses.includes(ANY_USE);
}

function invalid(why: string): CosignError {
  return new CosignError("CERTIFICATE_INVALID", `cert verification failed: ${why}`);
}
