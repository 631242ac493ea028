// The same program under Bun and Deno: what their native cryptography does differently shows here.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openKeyBox } from "../../../engine/crypto/key_box.ts";
import { generatePrivateKey, parsePrivateKey } from "../../../engine/crypto/private_key.ts";
import { parsePublicKeyDer, parsePublicKeyPem } from "../../../engine/crypto/public_key.ts";
import { signMessage, verifySignature } from "../../../engine/crypto/signature.ts";
import { parseCosignKey } from "../../../engine/formats/cosign_key.ts";
import { generateKeyPair } from "../../../engine/keys/generate.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { hasCode } from "../../../engine/model/errors.ts";
import type { KeyType } from "../../../engine/model/key.ts";
import ecdsaCases from "./ecdsa_cases.json" with { type: "json" };

const MESSAGE = utf8("hello");
const TYPES: readonly KeyType[] = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"];
const DIGESTS = ["sha224", "sha256", "sha384", "sha512"] as const;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The scheme, or the code of the error. */
function outcome(...args: Parameters<typeof verifySignature>): string {
  try {
    return verifySignature(...args);
  } catch (error) {
    if (hasCode(error, "SIGNATURE_INVALID")) return error.code;
    throw error;
  }
}

function signAndVerify(): void {
  for (const type of TYPES) {
    const pkcs8 = generatePrivateKey(type).export({ format: "der", type: "pkcs8" });
    const { privateKey, publicKey } = parsePrivateKey(new Uint8Array(pkcs8), "pkcs8", type);
    for (const digest of DIGESTS) {
      const signature = signMessage(privateKey, type, MESSAGE, digest);
      const scheme = outcome(publicKey, MESSAGE, signature, digest);
      const foreign = outcome(publicKey, utf8("other"), signature, digest);
      say(`${type} ${digest} ${scheme} ${foreign}`);
    }
  }
}

function hostileSignatures(): void {
  for (const { curve, spki, message, cases } of ecdsaCases) {
    const key = parsePublicKeyDer(Uint8Array.fromHex(spki), curve);
    const wrong = cases.filter(({ signature, valid }) => {
      const expected = valid === false ? "SIGNATURE_INVALID" : `ecdsa-${valid}`;
      return outcome(key, utf8(message), Uint8Array.fromHex(signature)) !== expected;
    });
    say(`${curve} hostile ${wrong.map(({ comment }) => comment).join(", ") || "all judged"}`);
  }
}

async function keyFile(): Promise<void> {
  const password = utf8("pässword");
  const { privatePem, publicPem } = await generateKeyPair("ecdsa-p256", password, 3);
  const pkcs8 = await openKeyBox(parseCosignKey(privatePem), password, "x");
  const { privateKey } = parsePrivateKey(pkcs8, "pkcs8", "x");
  const worker = new Worker(new URL(import.meta.url), { workerData: { privateKey } });
  const signature = await new Promise<Uint8Array>((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
  await worker.terminate();
  say(`key file in a worker ${outcome(parsePublicKeyPem(publicPem, "x"), MESSAGE, signature)}`);
}

if (isMainThread) {
  signAndVerify();
  hostileSignatures();
  await keyFile();
} else {
  parentPort?.postMessage(signMessage(workerData.privateKey, "ecdsa-p256", MESSAGE));
}
