import { generatePrivateKey } from "../crypto/private_key.ts";
import { publicKeyOf } from "../crypto/public_key.ts";
import { unlessAborted } from "../io/wait.ts";
import { equalBytes, utf8 } from "../model/bytes.ts";
import { hasCode } from "../model/errors.ts";
import type { KeyType } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { CertificateRequest, IssuedCertificate } from "../transparency/fulcio.ts";
import { expiredToken, type IdentityToken } from "../transparency/identity_token.ts";
import { localSigner, type OpenedSigner } from "./open.ts";
import { curveDigest, type IssuedIdentity, signWith } from "./signing_identity.ts";

/** What certificates are got with. */
export interface KeylessOptions {
  /** A token that is valid now; called once for each certificate. */
  readonly token: (signal: AbortSignal) => Promise<IdentityToken>;
  /** Asks Fulcio, and checks what it answers: nothing is signed with what was not checked. */
  readonly certify: (
    request: CertificateRequest,
    signal: AbortSignal,
  ) => Promise<IssuedCertificate>;
  readonly now: () => Date;
  /** Of the keys that are made. Default `ecdsa-p256`. */
  readonly keyType?: KeyType;
  /** A key that is there: all certificates are for it, and none is made. Whoever opened it closes it. */
  readonly signer?: OpenedSigner;
}

/** A key and its certificate, for as long as that is valid. */
export interface KeylessLease extends IssuedIdentity {
  /** By our clock. */
  readonly validUntil: Date;
}

/** Signs with short-lived certificates. Whoever opened it disposes of it. */
export interface KeylessSigner {
  /**
   * A lease that is valid for a while yet: all users have the same until it must be renewed, and one
   * of them renews it for all. Asked for anew for each signature.
   *
   * @param ended A certificate (DER) that the services' clocks found to be over: it is not lent again.
   * @throws {CosignError} `IDENTITY_EXPIRED` when only a person could log in again, `CERTIFICATE_REFUSED`, and
   * what else the token's source and Fulcio throw.
   */
  lease(signal?: AbortSignal, ended?: Uint8Array): Promise<KeylessLease>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Held extends KeylessLease {
  readonly renewAt: Date;
}

/** A signature must reach log and timestamp authority before its certificate ends: this much is left at least. */
const MARGIN_MS = 120_000;
/** Of certificates that live shorter than Fulcio's ten minutes, a fifth. */
const MARGIN_PART = 5;
/** With so much left, the old one still serves when Fulcio does not answer. */
const LAST_RESORT_MS = 30_000;

/** Opens keyless signing. The first certificate is got when it is needed; nothing is written to a disk. */
export function openKeyless(options: KeylessOptions): KeylessSigner {
  const closing = new AbortController();
  let held: Held | undefined;
  let renewal: Promise<Held> | undefined;

  const renew = async (): Promise<Held> => {
    try {
      held = await obtain(options, closing.signal);
      return held;
    } catch (error) {
      const leftMs = (held?.validUntil.getTime() ?? 0) - options.now().getTime();
      const mayPass = hasCode(error, "SERVICE_UNAVAILABLE");
      if (held !== undefined && mayPass && leftMs > LAST_RESORT_MS) return held;
      throw error;
    } finally {
      renewal = undefined;
    }
  };

  return {
    lease: async (signal, ended) => {
      if (closing.signal.aborted) throw new TypeError("The keyless signer is closed");
      if (held !== undefined && ended !== undefined && equalBytes(held.certificate.der, ended)) {
        held = undefined;
      }
      if (held !== undefined && options.now() < held.renewAt) return held;
      renewal ??= renew();
      return await unlessAborted(renewal, signal);
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      held = undefined;
      await renewal?.catch(() => {});
    },
  };
}

async function obtain(options: KeylessOptions, signal: AbortSignal): Promise<Held> {
  const { now } = options;
  const token = await options.token(signal);
  if (token.expiresAt <= now()) throw expiredToken(token);
  const signer = options.signer ?? ephemeralSigner(options.keyType ?? "ecdsa-p256");
  const { publicKey } = signer;
  const proofSubject = utf8(token.proofSubject);
  const proof = await signWith(signer, proofSubject, proofDigest(publicKey.type), signal);
  // Before the request: what the network takes comes off the certificate's life.
  const askedAtMs = now().getTime();
  const issued = await options.certify({ token, publicKey, proof }, signal);
  const { notBefore, notAfter } = issued.certificate;
  // Its length, and not its end: our clock may be another than Fulcio's.
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return {
    signer,
    isIssued: true,
    ...issued,
    validUntil: new Date(askedAtMs + lifeMs),
    renewAt: new Date(askedAtMs + lifeMs - Math.min(MARGIN_MS, lifeMs / MARGIN_PART)),
  };
}

/** Fulcio checks the proof with the digest of the curve's size, and knows plain Ed25519 only. */
function proofDigest(type: KeyType): SignatureDigestAlgorithm {
  return type === "ed25519" ? "sha256" : curveDigest(type);
}

function ephemeralSigner(type: KeyType): OpenedSigner {
  const privateKey = generatePrivateKey(type);
  return localSigner({ privateKey, publicKey: publicKeyOf(privateKey, "ephemeral key") }, "sha256");
}
