import { type BlobBundle, readBlobBundle } from "../formats/blob_bundle.ts";
import { type Bundle, materialOf, parseBundleJson, readBundle } from "../formats/bundle.ts";
import { NO_MATERIAL, type SignatureMaterial } from "../formats/evidence.ts";
import { isObject } from "../formats/go_json.ts";
import { parseSignedTimestamp } from "../formats/timestamp.ts";
import { parseCertificate } from "../formats/x509.ts";
import { readShort } from "../io/blob.ts";
import { equalBytes, parseBase64Either } from "../model/bytes.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";
import type { BlobEvidence } from "../verify/blob.ts";
import type { ClaimedSigner } from "../verify/blob_signer.ts";
import { type CertificateContext, parseCertificateOrKey } from "./certificate_files.ts";
import { usage } from "./parse.ts";

/** A signature of a blob, and what comes with it. Attacker-controlled. */
export interface FoundSignature {
  readonly evidence: BlobEvidence;
  readonly claimed: ClaimedSigner;
  /** What vouches for the signature. */
  readonly material: SignatureMaterial;
  /** The format of the bundle that it came in. */
  readonly bundle?: "new" | "old";
}

const MAX_SIGNATURE_BYTES = 65_536; // an RSA-4096 one has 700 characters
const MAX_BUNDLE_BYTES = 32 * 1024 * 1024; // with an attestation in it, and log entries
const NOT_A_FILE: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EINVAL"]);

/**
 * Reads the signature that `--signature` and `--bundle` name.
 *
 * @throws {CosignError} `USAGE`, `BUNDLE_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`, `CERTIFICATE_INVALID`.
 */
export async function readEvidence(
  flags: {
    readonly signature: string | undefined;
    readonly bundle: string | undefined;
    readonly "rfc3161-timestamp"?: string | undefined;
  },
  context: CertificateContext,
): Promise<FoundSignature> {
  const found = await readNamed(flags, context);
  const stamp = flags["rfc3161-timestamp"];
  if (!stamp) return found;
  const timestamp = await readTimestamp(stamp, context);
  return { ...found, material: { ...found.material, timestamps: [timestamp] } };
}

/** Reads what `--rfc3161-timestamp` names, as cosign writes it: base64 in JSON. @throws {CosignError} `TIMESTAMP_INVALID`, `FILE_READ`. */
export async function readTimestamp(
  path: string,
  context: CertificateContext,
): Promise<Uint8Array> {
  const bytes = await readShort(path, MAX_SIGNATURE_BYTES, context);
  try {
    return parseSignedTimestamp(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "TIMESTAMP_INVALID",
      `Cannot read timestamp "${path}": ${describeError(cause)}`,
      { cause },
    );
  }
}

async function readNamed(
  flags: { readonly signature: string | undefined; readonly bundle: string | undefined },
  context: CertificateContext,
): Promise<FoundSignature> {
  const { signature: named, bundle: path } = flags;
  if (!path) {
    if (!named) {
      throw usage("missing flag '--signature'", "Name a signature, or a bundle with --bundle");
    }
    const signature = await readSignature(named, context);
    return {
      evidence: { kind: "signature", signature },
      claimed: { kind: "none" },
      material: NO_MATERIAL,
    };
  }
  const found = parseAnyBundle(await readShort(path, MAX_BUNDLE_BYTES, context), path);
  if (!named) return found;
  if (found.bundle === "new") {
    throw usage(
      "unsupported: signature may not be provided using --signature when using --new-bundle-format",
      "The bundle holds the signature: leave out --signature",
    );
  }
  const signature = await readSignature(named, context);
  if (found.evidence.kind === "signature" && equalBytes(signature, found.evidence.signature)) {
    return found;
  }
  throw new CosignError(
    "BUNDLE_INVALID",
    "the signature passed in does not match the signature in the provided bundle",
  );
}

/**
 * Reads a bundle of a file, new or old.
 *
 * @throws {CosignError} `BUNDLE_INVALID`, `CERTIFICATE_INVALID`.
 */
export function parseAnyBundle(bytes: Uint8Array, path: string): FoundSignature {
  try {
    const json = parseBundleJson(bytes);
    return isNewBundle(json) ? newBundle(readBundle(json)) : oldBundle(readBlobBundle(json));
  } catch (cause) {
    if (hasCode(cause, "CERTIFICATE_INVALID") || cause instanceof SyntaxError) {
      throw new CosignError(
        "BUNDLE_INVALID",
        `Cannot read bundle "${path}": ${describeError(cause)}`,
        { cause },
      );
    }
    throw cause;
  }
}

/** By what it holds, not by what the flags expect: a wrong guess would only hide what is wrong. */
function isNewBundle(json: unknown): boolean {
  return isObject(json) && (Object.hasOwn(json, "mediaType") || Object.hasOwn(json, "media_type"));
}

function newBundle(bundle: Bundle): FoundSignature {
  const { content, certificates } = bundle;
  const [leaf, ...intermediates] = certificates.map(parseCertificate);
  return {
    bundle: "new",
    material: materialOf(bundle),
    evidence:
      content.kind === "dsse"
        ? content
        : {
            kind: "signature",
            signature: content.signature,
            ...(content.digest === undefined ? {} : { digest: content.digest }),
          },
    claimed:
      leaf === undefined
        ? { kind: "hint" }
        : { kind: "certificate", certificate: leaf, isKeyless: true, intermediates },
  };
}

function oldBundle({ signature, certificatePem, logEntry }: BlobBundle): FoundSignature {
  const evidence = { kind: "signature", signature } as const;
  const entry: SignatureMaterial = {
    ...NO_MATERIAL,
    logEvidence: "promise",
    logEntries: logEntry === undefined ? [] : [logEntry],
  };
  if (certificatePem === undefined) {
    return { bundle: "old", evidence, claimed: { kind: "none" }, material: entry };
  }
  const claimed = parseCertificateOrKey(certificatePem, "of the bundle");
  return {
    bundle: "old",
    evidence,
    material:
      claimed.kind === "key" ? entry : { ...entry, certificates: [claimed.certificate.der] },
    claimed: claimed.kind === "key" ? claimed : { ...claimed, isKeyless: false, intermediates: [] },
  };
}

/**
 * Reads a signature: a file, a URL, `env://NAME`, or the base64 itself; raw bytes where it is no base64.
 *
 * @throws {CosignError} `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readSignature(
  named: string,
  context: CertificateContext,
): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readShort(named, MAX_SIGNATURE_BYTES, context);
  } catch (error) {
    const literal = isNoFile(error) ? decodeSignature(new TextEncoder().encode(named)) : undefined;
    if (literal === undefined) throw error;
    return literal;
  }
  return decodeSignature(bytes) ?? bytes;
}

function isNoFile(error: unknown): boolean {
  if (!hasCode(error, "FILE_READ")) return false;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && NOT_A_FILE.has(cause.code);
}

/** What base64 in either alphabet, with its padding or without, stands for; nothing when it is none. */
function decodeSignature(bytes: Uint8Array): Uint8Array | undefined {
  const text = new TextDecoder("latin1").decode(bytes).replaceAll(/[\r\n\t ]/g, "");
  const digits = /^([A-Za-z0-9+/_-]+)={0,2}$/.exec(text)?.[1];
  if (digits === undefined || digits.length % 4 === 1) return undefined;
  return parseBase64Either(digits.padEnd(Math.ceil(digits.length / 4) * 4, "="));
}
