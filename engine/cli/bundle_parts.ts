import { type BlobBundle, parseBlobBundle } from "../formats/blob_bundle.ts";
import { type DsseEnvelope, parseDsse } from "../formats/dsse.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import type { Certificate } from "../formats/x509.ts";
import { readShort } from "../io/blob.ts";
import { readPublicKey } from "../keys/open.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { keyOf } from "../verify/certificate.ts";
import { readSignature, readTimestamp } from "./blob_evidence.ts";
import {
  type CertificateContext,
  parseCertificateOrKey,
  readCertificates,
} from "./certificate_files.ts";
import type { Invocation } from "./command.ts";
import type { BUNDLE_CREATE_FLAGS } from "./flags/bundle.ts";
import { keyContext } from "./open_keys.ts";
import { usage } from "./parse.ts";
import { unavailable } from "./refuse_later.ts";

type Call = Invocation<typeof BUNDLE_CREATE_FLAGS>;

/** What a bundle is made of. */
export interface BundleParts {
  readonly content:
    | { readonly kind: "message-signature"; readonly signature: Uint8Array }
    | {
        readonly kind: "dsse";
        readonly envelope: DsseEnvelope;
        /** Its JSON as it lies there: so it was logged. */
        readonly text: string;
      };
  readonly key: PublicKey;
  readonly certificate?: Certificate;
  /** What an old bundle holds of the log; there is no proof in it. */
  readonly knownEntry?: LogEntry;
  readonly timestamps: readonly Uint8Array[];
}

const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;

/**
 * Reads the parts that the flags name. What a flag names goes before what an old bundle holds.
 *
 * @throws {CosignError} `USAGE` in cosign's words, `BUNDLE_INVALID`, `ENVELOPE_INVALID`, `CERTIFICATE_INVALID`, `KEY_…`,
 * `TIMESTAMP_INVALID`, `FILE_READ`.
 */
export async function readBundleParts(
  call: Call,
  context: CertificateContext,
): Promise<BundleParts> {
  const { flags } = call;
  checkFlags(call);
  const old = flags.bundle ? await readOldBundle(flags.bundle, context) : undefined;
  if (flags["ignore-tlog"] && old?.logEntry !== undefined) {
    throw usage(
      "cannot ignore transparency log when the provided bundle contains a Signed Entry Timestamp",
    );
  }
  const stamp = flags["rfc3161-timestamp"];
  return {
    content: await readContent(call, old, context),
    ...(await readSigner(call, old, context)),
    ...(old?.logEntry === undefined ? {} : { knownEntry: old.logEntry }),
    timestamps: stamp ? [await readTimestamp(stamp, context)] : [],
  };
}

function checkFlags({ flags }: Call): void {
  const { artifact, bundle, signature, attestation, sk } = flags;
  if (!artifact) throw usage("must supply --artifact");
  for (const other of ["certificate", "signature"] as const) {
    if (!bundle || !flags[other]) continue;
    throw usage(
      `if any flags in the group [bundle ${other}] are set none of the others can be; [bundle ${other}] were all set`,
    );
  }
  if (!bundle && !signature && !attestation) {
    throw usage("must at least supply signature via --bundle or --signature");
  }
  if (attestation && bundle) {
    throw usage("--attestation and --bundle both hold what was signed", "Leave out one of them");
  }
  if (sk) throw unavailable("A hardware token (--sk)", "Name the public key: --key cosign.pub");
}

async function readOldBundle(path: string, context: CertificateContext): Promise<BlobBundle> {
  const bytes = await readShort(path, MAX_BUNDLE_BYTES, context);
  return parsed("BUNDLE_INVALID", `bundle "${path}"`, () => parseBlobBundle(bytes));
}

async function readContent(
  { flags }: Call,
  old: BlobBundle | undefined,
  context: CertificateContext,
): Promise<BundleParts["content"]> {
  const { attestation } = flags;
  if (attestation) {
    // Its signatures are in it; cosign wants --signature named beside it all the same.
    const bytes = await readShort(attestation, MAX_BUNDLE_BYTES, context);
    return envelopeOf(bytes, `attestation "${attestation}"`);
  }
  const signature = old?.signature ?? (await readSignature(flags.signature ?? "", context));
  // What cosign kept as the signature of an attestation is the envelope.
  return signature[0] === "{".charCodeAt(0)
    ? envelopeOf(signature, "the envelope in the bundle")
    : { kind: "message-signature", signature };
}

function envelopeOf(bytes: Uint8Array, what: string): BundleParts["content"] {
  return parsed("ENVELOPE_INVALID", what, () => {
    const text = parseUtf8(bytes).trim();
    return { kind: "dsse", envelope: parseDsse(parseStrictJson(text)), text };
  });
}

async function readSigner(
  call: Call,
  old: BlobBundle | undefined,
  context: CertificateContext,
): Promise<Pick<BundleParts, "key" | "certificate">> {
  const { certificate: path, key: uri } = call.flags;
  if (path) {
    const [certificate] = await readCertificates(path, context);
    return { certificate, key: keyOf(certificate) };
  }
  if (uri) {
    const { signal } = context;
    return { key: await readPublicKey(uri, keyContext(call, { signal })) };
  }
  if (old?.certificatePem !== undefined) {
    const found = parseCertificateOrKey(old.certificatePem, "of the bundle");
    if (found.kind === "key") return { key: found.key };
    return { certificate: found.certificate, key: keyOf(found.certificate) };
  }
  throw usage(
    "a bundle says who has signed, and neither a certificate nor a key is named",
    "Name the signer: --certificate FILE or --key cosign.pub",
  );
}

function parsed<T>(code: "BUNDLE_INVALID" | "ENVELOPE_INVALID", what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new CosignError(code, `Cannot read ${what}: ${describeError(cause)}`, { cause });
  }
}
