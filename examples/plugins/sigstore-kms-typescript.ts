#!/usr/bin/env bun
/**
 * A key plugin in TypeScript: private keys are PEM files (PKCS#8). It runs under Bun, Deno and Node 24.
 *
 *   ln -s "$PWD/sigstore-kms-typescript.ts" ~/bin/sigstore-kms-typescript
 *   cosign-ts generate-key-pair --kms typescript:///absolute/path/key.pem
 *   cosign-ts sign --key typescript:///absolute/path/key.pem …
 *
 * It speaks sigstore's protocol for key plugins (sigstore/sigstore, pkg/signature/kms/cliplugin): one process a
 * call, `sigstore-kms-typescript v1 JSON`, the message on standard input, one JSON object on standard output. So
 * cosign 2.4.3 and later uses it as well. Called with `serve-v1` it stays, and answers a line of JSON for each
 * line of JSON: cosign-ts asks for that when it has many signatures to make.
 *
 * An example: real keys do not lie in files that are not encrypted.
 */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
  sign,
  verify,
} from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

/** The arguments of a call, as far as this plugin reads them. */
interface PluginArgs {
  readonly initOptions: { readonly keyResourceID: string; readonly hashFunc: number };
  readonly methodName: string;
  readonly createKey?: { readonly algorithm: string };
  readonly signMessage?: { readonly signOptions: Options };
  readonly verifySignature?: { readonly signature: string; readonly verifyOptions: Options };
}

interface Options {
  readonly messageOptions?: { readonly digest?: string | null; readonly hashFunc?: number };
}

/** What the host is told, beside the text, where it can act on it. Only cosign-ts reads it. */
type ErrorCode = "ACCESS_DENIED" | "NOT_FOUND" | "UNSUPPORTED";

class Refusal extends Error {
  readonly code: ErrorCode | undefined;

  constructor(message: string, code?: ErrorCode) {
    super(message);
    this.code = code;
  }
}

/** Go's numbers of hash functions; what DigestInfo (RFC 8017 §9.2) puts before a digest of each. */
const HASHES: Readonly<Record<number, { name: string; sizeBytes: number; info: string }>> = {
  5: { name: "sha256", sizeBytes: 32, info: "3031300d060960864801650304020105000420" },
  6: { name: "sha384", sizeBytes: 48, info: "3041300d060960864801650304020205000430" },
  7: { name: "sha512", sizeBytes: 64, info: "3051300d060960864801650304020305000440" },
};
const ALGORITHMS: Readonly<Record<string, () => KeyObject>> = {
  "rsa-2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  "rsa-4096": () => generateKeyPairSync("rsa", { modulusLength: 4096 }).privateKey,
  "ecdsa-p256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  "ecdsa-p384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  ed25519: () => generateKeyPairSync("ed25519").privateKey,
};

/** Answers one call. @param readMessage Reads standard input. */
function answer(args: PluginArgs, readMessage: () => Uint8Array): Record<string, unknown> {
  const { keyResourceID: path, hashFunc } = args.initOptions;
  switch (args.methodName) {
    case "defaultAlgorithm":
      return { defaultAlgorithm: { defaultAlgorithm: "rsa-2048" } };
    case "supportedAlgorithms":
      return { supportedAlgorithms: { supportedAlgorithms: Object.keys(ALGORITHMS) } };
    case "createKey":
      return { createKey: { publicKeyPEM: publicPem(createKey(path, args.createKey?.algorithm)) } };
    case "publicKey":
      return { publicKey: { publicKeyPEM: publicPem(readKey(path)) } };
    case "signMessage": {
      const content = contentOf(args.signMessage?.signOptions, hashFunc, readMessage);
      return { signMessage: { signature: base64(signContent(readKey(path), content)) } };
    }
    case "verifySignature": {
      const { signature = "", verifyOptions } = args.verifySignature ?? {};
      const content = contentOf(verifyOptions, hashFunc, readMessage);
      if (
        !verifyContent(readKey(path), content, new Uint8Array(Buffer.from(signature, "base64")))
      ) {
        throw new Refusal("the signature does not match");
      }
      return { verifySignature: {} };
    }
    default:
      throw new Refusal(`unsupported method: ${args.methodName}`, "UNSUPPORTED");
  }
}

/** Makes a key where there is none. */
function createKey(path: string, algorithm = ""): KeyObject {
  const make = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (make === undefined)
    throw new Refusal(`algorithm ${algorithm} is not supported`, "UNSUPPORTED");
  if (!existsSync(checked(path))) {
    const pem = make().export({ format: "pem", type: "pkcs8" });
    writeFileSync(path, pem, { mode: 0o600, flag: "wx" });
  }
  return readKey(path);
}

function readKey(path: string): KeyObject {
  if (!existsSync(checked(path))) throw new Refusal(`there is no key ${path}`, "NOT_FOUND");
  return createPrivateKey(readFileSync(path));
}

/** Hosts run plugins in an empty folder: a relative path would lead nowhere. */
function checked(path: string): string {
  if (isAbsolute(path)) return path;
  throw new Refusal(`"${path}" is no absolute path`);
}

interface Content {
  readonly hash: { readonly name: string; readonly sizeBytes: number; readonly info: string };
  readonly message?: Uint8Array;
  readonly digest?: Uint8Array;
}

/** What is signed: the digest when the host gives one, else the message on standard input. */
function contentOf(
  options: Options | undefined,
  hashFunc: number,
  readMessage: () => Uint8Array,
): Content {
  const { digest, hashFunc: own = hashFunc } = options?.messageOptions ?? {};
  const hash = HASHES[own];
  if (hash === undefined) throw new Refusal(`hash function ${own} is not supported`, "UNSUPPORTED");
  if (digest === undefined || digest === null) return { hash, message: readMessage() };
  const bytes = new Uint8Array(Buffer.from(digest, "base64"));
  if (bytes.length !== hash.sizeBytes) throw new Refusal(`the digest is not one of ${hash.name}`);
  return { hash, digest: bytes };
}

function signContent(key: KeyObject, { hash, message, digest }: Content): Uint8Array {
  if (message !== undefined) return new Uint8Array(sign(hashFor(key, hash.name), message, key));
  if (key.asymmetricKeyType !== "rsa" || digest === undefined) throw needsMessage();
  const info = Buffer.concat([Buffer.from(hash.info, "hex"), digest]);
  return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, info));
}

function verifyContent(
  key: KeyObject,
  { hash, message, digest }: Content,
  signature: Uint8Array,
): boolean {
  const publicKey = createPublicKey(key.export({ format: "pem", type: "pkcs8" }).toString());
  if (message !== undefined) return verify(hashFor(key, hash.name), message, publicKey, signature);
  if (key.asymmetricKeyType !== "rsa" || digest === undefined) throw needsMessage();
  try {
    const info = Buffer.concat([Buffer.from(hash.info, "hex"), digest]);
    const options = { key: publicKey, padding: constants.RSA_PKCS1_PADDING };
    return publicDecrypt(options, Buffer.from(signature)).equals(info);
  } catch {
    return false; // no number below the modulus: no signature
  }
}

/** `node:crypto` signs digests with RSA only: another plugin's service does better. */
function needsMessage(): Refusal {
  return new Refusal("only RSA keys sign a digest: the message is needed", "UNSUPPORTED");
}

/** Ed25519 hashes by itself. */
function hashFor(key: KeyObject, name: string): string | null {
  return key.asymmetricKeyType === "ed25519" ? null : name;
}

function publicPem(key: KeyObject): string {
  const pem = createPublicKey(key.export({ format: "pem", type: "pkcs8" }).toString());
  return base64(Buffer.from(pem.export({ format: "pem", type: "spki" }).toString()));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** An answer, or the error as the protocol wants it: in the JSON, not in the exit code. */
function respond(args: PluginArgs, readMessage: () => Uint8Array): Record<string, unknown> {
  try {
    return answer(args, readMessage);
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error);
    const errorCode = error instanceof Refusal ? error.code : undefined;
    return { errorMessage, ...(errorCode === undefined ? {} : { errorCode }) };
  }
}

/** Stays until standard input ends: one JSON object a line, in both directions. */
async function serve(): Promise<void> {
  process.stdout.write(`${JSON.stringify({ protocolVersion: "serve-v1" })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const {
      id,
      stdin = "",
      ...args
    } = JSON.parse(line) as PluginArgs & {
      readonly id: number;
      readonly stdin?: string;
    };
    const response = respond(args, () => new Uint8Array(Buffer.from(stdin, "base64")));
    process.stdout.write(`${JSON.stringify({ id, ...response })}\n`);
  }
}

const [version, text = "{}"] = process.argv.slice(2);
if (version === "serve-v1") await serve();
else if (version === "v1") {
  const read = () => new Uint8Array(readFileSync(0));
  process.stdout.write(`${JSON.stringify(respond(JSON.parse(text) as PluginArgs, read))}\n`);
} else {
  process.stderr.write("sigstore-kms-typescript: only version 1 of the protocol\n");
  process.exitCode = 2;
}
