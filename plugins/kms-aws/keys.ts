import {
  type BackendKey,
  CosignError,
  type KeyType,
  type SignatureDigestAlgorithm,
} from "../../engine/plugin_host/contract.ts";
import type { Kms } from "./client.ts";
import { refusal } from "./refusal.ts";

type KeySpec =
  | "ECC_NIST_P256"
  | "ECC_NIST_P384"
  | "ECC_NIST_P521"
  | "RSA_2048"
  | "RSA_3072"
  | "RSA_4096";
type Algorithm = "ECDSA_SHA_256" | "ECDSA_SHA_384" | "ECDSA_SHA_512" | "RSASSA_PKCS1_V1_5_SHA_256";

/** How KMS signs with a kind of key: each curve has one digest, and of RSA's schemes cosign knows one. */
interface Scheme {
  readonly type: KeyType;
  readonly algorithm: Algorithm;
  readonly digest: SignatureDigestAlgorithm;
}

const RSA = { algorithm: "RSASSA_PKCS1_V1_5_SHA_256", digest: "sha256" } as const;
const SCHEMES: Readonly<Record<KeySpec, Scheme>> = {
  ECC_NIST_P256: { type: "ecdsa-p256", algorithm: "ECDSA_SHA_256", digest: "sha256" },
  ECC_NIST_P384: { type: "ecdsa-p384", algorithm: "ECDSA_SHA_384", digest: "sha384" },
  ECC_NIST_P521: { type: "ecdsa-p521", algorithm: "ECDSA_SHA_512", digest: "sha512" },
  RSA_2048: { type: "rsa-2048", ...RSA },
  RSA_3072: { type: "rsa-3072", ...RSA },
  RSA_4096: { type: "rsa-4096", ...RSA },
};

/** A key whose public half was read. */
export interface AwsKey extends Required<BackendKey> {
  readonly algorithm: Algorithm;
}

/**
 * Reads the public key and how KMS signs with it: one request.
 *
 * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_UNSUPPORTED`, `KEY_DISABLED`, `KEY_DENIED`, `KEY_SERVICE_…`.
 */
export async function readKey(
  { client, sdk }: Kms,
  keyId: string,
  uri: string,
  signal: AbortSignal,
): Promise<AwsKey> {
  const what = `read key "${uri}"`;
  const command = new sdk.GetPublicKeyCommand({ KeyId: keyId });
  const answer = await client
    .send(command, { abortSignal: signal })
    .catch((error: unknown) => Promise.reject(refusal(error, what, "kms:GetPublicKey")));
  const { KeyUsage: usage, SigningAlgorithms: algorithms, PublicKey: publicKey } = answer;
  const spec = answer.KeySpec ?? answer.CustomerMasterKeySpec ?? ""; // its name before 2021
  if (usage !== "SIGN_VERIFY") {
    throw new CosignError("KEY_UNSUPPORTED", `Cannot use key "${uri}": its usage is ${usage}`, {
      hint: "Use a key that was made with the usage SIGN_VERIFY",
    });
  }
  if (!isKeySpec(spec) || algorithms?.includes(SCHEMES[spec].algorithm) !== true) {
    throw new CosignError("KEY_UNSUPPORTED", `Cannot use key "${uri}": its kind is ${spec}`, {
      hint: `Use one of ${Object.keys(SCHEMES).join(", ")}`,
    });
  }
  if (publicKey === undefined) {
    throw new CosignError("KEY_SERVICE_PROTOCOL", `Cannot ${what}: the answer does not hold it`);
  }
  const { algorithm, digest } = SCHEMES[spec];
  return { publicKey, digest, algorithm };
}

/** Asks for the signature of a digest. @throws {CosignError} `KEY_SIGN_FAILED`, and as {@link readKey}. */
export async function signDigest(
  { client, sdk }: Kms,
  keyId: string,
  uri: string,
  { algorithm }: AwsKey,
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const what = `sign with "${uri}"`;
  const command = new sdk.SignCommand({
    KeyId: keyId,
    Message: digest,
    MessageType: "DIGEST",
    SigningAlgorithm: algorithm,
  });
  const { Signature: signature } = await client
    .send(command, { abortSignal: signal })
    .catch((error: unknown) => Promise.reject(refusal(error, what, "kms:Sign")));
  if (signature !== undefined) return signature;
  throw new CosignError("KEY_SERVICE_PROTOCOL", `Cannot ${what}: the answer holds no signature`);
}

/** Makes a key and gives it its alias. @throws {CosignError} `KEY_DENIED`, `KEY_EXISTS`, `KEY_SERVICE_…`. */
export async function createKey(
  { client, sdk }: Kms,
  alias: string,
  uri: string,
  type: KeyType,
  signal: AbortSignal,
): Promise<void> {
  const what = `create key "${uri}"`;
  const spec = Object.keys(SCHEMES).find((each) => isKeySpec(each) && SCHEMES[each].type === type);
  if (spec === undefined || !isKeySpec(spec)) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot ${what}: keys of type ${type} are not used here`,
      {
        hint: `Use one of ${Object.values(SCHEMES)
          .map((scheme) => scheme.type)
          .join(", ")}`,
      },
    );
  }
  const creation = new sdk.CreateKeyCommand({
    KeySpec: spec,
    KeyUsage: "SIGN_VERIFY",
    Description: "Created by Sigstore",
  });
  const { KeyMetadata: made } = await client
    .send(creation, { abortSignal: signal })
    .catch((error: unknown) => Promise.reject(refusal(error, what, "kms:CreateKey")));
  const keyId = made?.KeyId;
  if (keyId === undefined) {
    throw new CosignError(
      "KEY_SERVICE_PROTOCOL",
      `Cannot ${what}: the answer does not name the key`,
    );
  }
  const naming = new sdk.CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId });
  await client
    .send(naming, { abortSignal: signal })
    .catch((error: unknown) =>
      Promise.reject(
        refusal(error, `name the new key ${keyId} "${alias}"`, `kms:CreateAlias on the alias and`),
      ),
    );
}

function isKeySpec(spec: string): spec is KeySpec {
  return Object.hasOwn(SCHEMES, spec);
}
