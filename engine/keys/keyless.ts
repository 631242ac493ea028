import { generatePrivateKey } from "../crypto/private_key.ts";
import { publicKeyOf } from "../crypto/public_key.ts";
import { signMessage } from "../crypto/signature.ts";
import type { Certificate } from "../formats/x509.ts";
import { unlessAborted } from "../io/wait.ts";
import { utf8 } from "../model/bytes.ts";
import { hasCode } from "../model/errors.ts";
import type { KeyType } from "../model/key.ts";
import type { Signer } from "../plugin_host/contract.ts";
import type { CertificateRequest, IssuedCertificate } from "../transparency/fulcio.ts";
import { expiredToken, type IdentityToken } from "../transparency/identity_token.ts";

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
  /** Default `ecdsa-p256`. */
  readonly keyType?: KeyType;
}

/** A key in memory and its certificate, for as long as that is valid. */
export interface KeylessLease {
  readonly signer: Signer;
  readonly certificate: Certificate;
  /** What stands above the certificate. */
  readonly chain: readonly Certificate[];
  /** The certificate log's answer where it is not embedded: JSON. */
  readonly detachedSct?: Uint8Array;
  /** By our clock. */
  readonly validUntil: Date;
}

/** Signs with short-lived certificates. Whoever opened it disposes of it. */
export interface KeylessSigner {
  /**
   * A lease that is valid for a while yet: all users have the same until it must be renewed, and one
   * of them renews it for all. Asked for anew for each signature.
   *
   * @throws {CosignError} `IDENTITY_EXPIRED` when only a person could log in again, `CERTIFICATE_REFUSED`, and
   * what else the token's source and Fulcio throw.
   */
  lease(signal?: AbortSignal): Promise<KeylessLease>;
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
    lease: async (signal) => {
      if (closing.signal.aborted) throw new TypeError("The keyless signer is closed");
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
  const { now, keyType = "ecdsa-p256" } = options;
  const token = await options.token(signal);
  if (token.expiresAt <= now()) throw expiredToken(token);
  const privateKey = generatePrivateKey(keyType);
  const publicKey = publicKeyOf(privateKey, "ephemeral key");
  const sign = (message: Uint8Array): Uint8Array => signMessage(privateKey, keyType, message);
  // Before the request: what the network takes comes off the certificate's life.
  const askedAtMs = now().getTime();
  const issued = await options.certify(
    {
      token,
      publicKey,
      proof: signMessage(privateKey, keyType, utf8(token.proofSubject), proofDigest(keyType)),
    },
    signal,
  );
  const { notBefore, notAfter } = issued.certificate;
  // Its length, and not its end: our clock may be another than Fulcio's.
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return {
    signer: {
      publicKey,
      sign: async (message) => sign(message),
      [Symbol.asyncDispose]: async () => {},
    },
    ...issued,
    validUntil: new Date(askedAtMs + lifeMs),
    renewAt: new Date(askedAtMs + lifeMs - Math.min(MARGIN_MS, lifeMs / MARGIN_PART)),
  };
}

/** Fulcio checks the proof with the digest of the curve's size. */
function proofDigest(type: KeyType): "sha256" | "sha384" | "sha512" {
  if (type === "ecdsa-p384") return "sha384";
  return type === "ecdsa-p521" ? "sha512" : "sha256";
}
