import { sha256 } from "../engine/crypto/hash.ts";
import { generatePrivateKey } from "../engine/crypto/private_key.ts";
import { publicKeyOf } from "../engine/crypto/public_key.ts";
import { signMessage } from "../engine/crypto/signature.ts";
import { encodeMessageBundle } from "../engine/formats/bundle.ts";
import { Budgets, createBudgetMemory } from "../engine/io/budget.ts";
import { httpClient } from "../engine/io/http.ts";
import { utf8 } from "../engine/model/bytes.ts";
import { requestCertificate } from "../engine/transparency/fulcio.ts";
import { parseIdentityToken } from "../engine/transparency/identity_token.ts";
import { uploadEntry } from "../engine/transparency/rekor.ts";
import { requestTimestamp } from "../engine/transparency/timestamp_authority.ts";
import { startSigstore } from "../tests/support/sigstore_server.ts";

/** Somebody's signatures with all that vouches for them, and the root that they are held against. */
export interface SignedMessages {
  readonly trustedRoot: string;
  readonly identity: string;
  readonly issuer: string;
  readonly signed: readonly { readonly message: Uint8Array; readonly bundle: Uint8Array }[];
}

/**
 * Signs as many messages, each with a certificate of its own: an SCT in it, an entry in Rekor v1 with
 * promise and proof, a timestamp. The services are tests' own, over loopback HTTP; the log's address is the
 * name that it signs under, which `@sigstore/verify` demands.
 */
export async function signMessages(count: number): Promise<SignedMessages> {
  const sigstore = await startSigstore();
  const context = {
    http: httpClient({ env: {} }),
    budgets: new Budgets(createBudgetMemory(), 1),
  };
  const signed: SignedMessages["signed"][number][] = [];
  try {
    for (let i = 0; i < count; i++) {
      const message = utf8(`message ${i}`);
      const token = parseIdentityToken(sigstore.oidcToken());
      const privateKey = generatePrivateKey("ecdsa-p256");
      const publicKey = publicKeyOf(privateKey, "new");
      const proof = signMessage(privateKey, "ecdsa-p256", utf8(token.proofSubject));
      const { certificate } = await requestCertificate(
        { token, publicKey, proof },
        sigstore.fulcioUrl,
        context,
      );
      const signature = signMessage(privateKey, "ecdsa-p256", message);
      const digest = { algorithm: "sha256", digest: sha256(message) } as const;
      const entry = await uploadEntry(
        { kind: "hashedrekord", digest, signature, verifier: { certificate: certificate.der } },
        { url: sigstore.rekorUrl, majorVersion: 1 },
        context,
      );
      const timestamp = await requestTimestamp(signature, sigstore.tsaUrl, context);
      const bundle = encodeMessageBundle(signature, digest, {
        spki: publicKey.spki,
        certificates: [certificate.der],
        logEntries: [entry],
        timestamps: [timestamp],
      });
      signed.push({ message, bundle });
    }
    return {
      trustedRoot: sigstore.trustedRootJson.replace(sigstore.rekorUrl, "https://rekor.test"),
      identity: "mail@example.com",
      issuer: sigstore.issuerUrl,
      signed,
    };
  } finally {
    await sigstore.close();
  }
}
