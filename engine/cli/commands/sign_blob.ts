import pLimit from "p-limit";
import { sha256 } from "../../crypto/hash.ts";
import { encodePem } from "../../crypto/pem.ts";
import { encodeBlobBundle } from "../../formats/blob_bundle.ts";
import { encodeMessageBundle } from "../../formats/bundle.ts";
import type { Certificate } from "../../formats/x509.ts";
import { type BlobContent, KEPT_BYTES, readBlob } from "../../io/blob.ts";
import { readFileBytes } from "../../io/files.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { type OpenedSigner, openSigner } from "../../keys/open.ts";
import { encodeBase64, equalBytes, utf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { Generation } from "../../model/exit_code.ts";
import { verifyCertificate } from "../../verify/certificate.ts";
import { type CertificateContext, readCertificates, trustOfChain } from "../certificate_files.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import { SIGN_BLOB_FLAGS } from "../flags/blob.ts";
import { DEFAULT_GENERATION, namedGeneration, refuseLogUpload } from "../generation.ts";
import { keyContext } from "../open_keys.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { logUploadFlags, signingKey } from "../signing.ts";

type Call = Invocation<typeof SIGN_BLOB_FLAGS>;

interface Settings {
  readonly key: string;
  readonly generation: Generation;
  readonly isBundle: boolean;
}

const MAX_TRUSTED_ROOT_BYTES = 16 * 1024 * 1024; // the public one has 12 KB
/** What signs the blob itself, plain Ed25519 or a key that lies elsewhere, has it in memory as a whole. */
const MAX_WHOLE_BYTES = 256 * 1024 * 1024;
const PRIVATE_MODE = 0o600;
const SIGNING_ALGORITHMS: ReadonlySet<string> = new Set([
  "ecdsa-sha2-256-nistp256",
  "ecdsa-sha2-384-nistp384",
  "ecdsa-sha2-512-nistp521",
  "rsa-sign-pkcs1-2048-sha256",
  "rsa-sign-pkcs1-3072-sha256",
  "rsa-sign-pkcs1-4096-sha256",
]);

/** Files that are read and hashed at once. What is printed keeps their order. */
const BLOBS_AT_ONCE = 4;

/** `sign-blob`: the first file that fails ends it. */
export const signBlobCommand: CommandFunction<typeof SIGN_BLOB_FLAGS> = async (call) => {
  const { flags, args, env } = call;
  const settings = settingsOf(call);
  const { signal } = new AbortController();
  if (flags["trusted-root"]) await readFileBytes(flags["trusted-root"], MAX_TRUSTED_ROOT_BYTES);
  const stdinIsTaken = args.includes("-");
  await using signer = await openSigner(settings.key, keyContext(call, { signal, stdinIsTaken }));
  const certificate = await readCertificate(call, signer, { env, signal });
  const limit = pLimit(needsWhole(signer) ? 1 : BLOBS_AT_ONCE);
  const failed = new AbortController();
  const signed = args.map((source) =>
    limit(async () => {
      failed.signal.throwIfAborted();
      using deadline = startDeadline(flags.timeout, "Cannot sign the blob");
      return await signOne(source, signer, AbortSignal.any([deadline.signal, failed.signal]), call);
    }),
  );
  try {
    for (const [i, result] of signed.entries()) {
      const { signature, blob } = await result;
      if (args[i] !== "-")
        call.stderr.write(`Using payload from: ${printableText(args[i] ?? "")}\n`);
      handOver(signature, blob, { signer, certificate, settings }, call);
    }
  } finally {
    failed.abort();
    await Promise.allSettled(signed);
  }
  return 0;
};

/** Checks the flags in cosign's order. */
function settingsOf(call: Call): Settings {
  const { flags, given, args, env } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const isBundle = given.has("new-bundle-format") ? flags["new-bundle-format"] : generation === 3;
  if (isBundle && !flags.bundle && generation === 3 && (flags.key || !flags.sk)) {
    throw usage(
      "must specify --bundle with --new-bundle-format",
      "Name the bundle's file with --bundle, or sign without one: --new-bundle-format=false",
    );
  }
  if (!SIGNING_ALGORITHMS.has(flags["signing-algorithm"])) {
    throw usage(
      `invalid signing algorithm: ${flags["signing-algorithm"]}. Supported algorithms are: ${[...SIGNING_ALGORITHMS].join(", ")}`,
    );
  }
  const key = signingKey(call, generation);
  refuseLater(SIGN_BLOB_FLAGS, flags, given);
  if (flags["certificate-chain"] && !flags.certificate) {
    throw usage("--certificate-chain needs --certificate", "Add --certificate FILE");
  }
  refuseLogUpload(logUploadFlags(call), generation, env);
  checkSeveral(args, flags);
  return { key, generation, isBundle };
}

function checkSeveral(args: readonly string[], flags: Call["flags"]): void {
  if (args.length < 2) return;
  const file = (["bundle", "output-signature", "output", "output-certificate"] as const).find(
    (name) => flags[name],
  );
  if (file !== undefined) {
    throw usage(`The file of --${file} holds one blob's signature`, "Sign the blobs one by one");
  }
  if (args.filter((source) => source === "-").length > 1) {
    throw usage("Standard input can be signed once only");
  }
}

/** Reads the certificate of the key, which must be the key's, and holds it against its chain. */
async function readCertificate(
  { flags }: Call,
  signer: OpenedSigner,
  context: CertificateContext,
): Promise<Certificate | undefined> {
  if (!flags.certificate) return undefined;
  const [certificate] = await readCertificates(flags.certificate, context);
  if (!equalBytes(certificate.spki, signer.publicKey.spki)) {
    throw new CosignError(
      "CERTIFICATE_INVALID",
      "public key in certificate does not match the provided public key",
    );
  }
  const chain = flags["certificate-chain"];
  if (!chain) return certificate;
  try {
    const trust = trustOfChain(await readCertificates(chain, context));
    verifyCertificate(certificate, trust, new Date());
    return certificate;
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    throw new CosignError(
      error.code,
      `unable to validate certificate chain: ${describeError(error)}`,
      { cause: error },
    );
  }
}

interface Signing {
  readonly signer: OpenedSigner;
  readonly certificate: Certificate | undefined;
  readonly settings: Settings;
}

interface SignedContent {
  readonly signature: Uint8Array;
  readonly blob: BlobContent;
}

async function signOne(
  source: string,
  signer: OpenedSigner,
  signal: AbortSignal,
  { env }: Call,
): Promise<SignedContent> {
  try {
    const keptBytes = needsWhole(signer) ? MAX_WHOLE_BYTES : KEPT_BYTES;
    if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(source)) {
      throw new CosignError(
        "FILE_READ",
        `Cannot read file "${source}": no such file or directory`,
        {
          hint: "Only files and standard input are signed: download it first",
        },
      );
    }
    const algorithms = [...new Set(["sha256" as const, signer.digest])];
    const blob = await readBlob(source, { env, signal, keptBytes, algorithms });
    return { blob, signature: await signBlob(blob, signer, signal) };
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    const { hint } = error;
    throw new CosignError(error.code, `signing ${source}: ${error.message}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

function needsWhole({ signDigest }: OpenedSigner): boolean {
  return signDigest === undefined;
}

async function signBlob(
  blob: BlobContent,
  signer: OpenedSigner,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (blob.bytes !== undefined) return await signer.sign(blob.bytes, signal);
  const { publicKey, digest } = signer;
  const hashed = blob.digests[digest];
  if (signer.signDigest !== undefined && hashed !== undefined) {
    return await signer.signDigest(hashed, signal);
  }
  const who = publicKey.type === "ed25519" ? "plain Ed25519 needs" : "this key's place needs";
  throw new CosignError(
    "LIMIT_EXCEEDED",
    `${who} the blob in memory: it has ${blob.sizeBytes} bytes, at most ${MAX_WHOLE_BYTES} are read`,
    { hint: "Sign large files with an ECDSA or RSA key" },
  );
}

/** Writes what was made where it was asked for: all of it, also where cosign 3.1 ignores a flag. */
function handOver(
  signature: Uint8Array,
  { digests }: BlobContent,
  { signer, certificate, settings }: Signing,
  call: Call,
): void {
  const { flags, stdout } = call;
  const { generation, isBundle } = settings;
  const { spki } = signer.publicKey;
  if (flags.bundle) {
    const pem = certificatePem(certificate, spki, generation);
    const digest = { algorithm: "sha256", digest: digests.sha256 ?? new Uint8Array() } as const;
    const material =
      certificate === undefined ? { keyHint: sha256(spki) } : { certificate: certificate.der };
    const bytes = isBundle
      ? encodeMessageBundle(signature, digest, material)
      : encodeBlobBundle(signature, pem);
    writeOutputFile(flags.bundle, bytes, PRIVATE_MODE);
    tell("bundle", flags.bundle, generation, call);
  }
  const text = flags.b64 ? encodeBase64(signature) : signature;
  const path = flags.output || flags["output-signature"];
  if (path) {
    writeOutputFile(path, text, PRIVATE_MODE);
    tell("signature", path, generation, call);
  } else if (!isBundle || generation < 3) {
    stdout.write(typeof text === "string" ? `${text}\n` : text);
  }
  if (flags["output-certificate"] && certificate !== undefined) {
    const pem = encodePem("CERTIFICATE", certificate.der);
    writeOutputFile(
      flags["output-certificate"],
      flags.b64 ? encodeBase64(utf8(pem)) : pem,
      PRIVATE_MODE,
    );
    tell("certificate", flags["output-certificate"], generation, call);
  }
}

/** What an old bundle says of the signer: of a bare key only since 3.1. */
function certificatePem(
  certificate: Certificate | undefined,
  spki: Uint8Array,
  generation: Generation,
): string | undefined {
  if (certificate !== undefined) return encodePem("CERTIFICATE", certificate.der);
  return generation === 3 ? encodePem("PUBLIC KEY", spki) : undefined;
}

/** 1.x says it on standard output, in other words. */
function tell(what: string, path: string, generation: Generation, call: Call): void {
  const shown = printableText(path);
  if (generation > 1) call.stderr.write(`Wrote ${what} to file ${shown}\n`);
  else
    call.stdout.write(`${what.replace(/^./, (c) => c.toUpperCase())} wrote in the file ${shown}\n`);
}
