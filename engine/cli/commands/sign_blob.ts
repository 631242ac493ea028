import pLimit from "p-limit";
import { encodePem } from "../../crypto/pem.ts";
import { encodeMessageBundle } from "../../formats/bundle.ts";
import { encodeSignedTimestamp } from "../../formats/timestamp.ts";
import { type BlobContent, KEPT_BYTES, readBlob } from "../../io/blob.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { KEYLESS } from "../../keys/key_ring.ts";
import { encodeBase64, utf8 } from "../../model/bytes.ts";
import { CosignError } from "../../model/errors.ts";
import type { KeyType } from "../../model/key.ts";
import { blobDraft, hashOf, MAX_WHOLE_BYTES, needsWhole } from "../../sign/blob_draft.ts";
import { oldBundleOf } from "../../sign/fact.ts";
import { digestFor, type Signing, signVouched, type VouchedSignature } from "../../sign/vouch.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import { SIGN_BLOB_FLAGS } from "../flags/blob.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openSigning } from "../open_signing.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { checkSignerCertificateFlags } from "../signer_certificates.ts";
import { type SigningPlan, signingKey, signingPlan } from "../signing.ts";

type Call = Invocation<typeof SIGN_BLOB_FLAGS>;

interface Settings {
  readonly key: string;
  readonly plan: SigningPlan;
  readonly isBundle: boolean;
  readonly keyType: KeyType;
}

const PRIVATE_MODE = 0o600;
/** The keys that `--signing-algorithm` makes. */
const SIGNING_ALGORITHMS: ReadonlyMap<string, KeyType> = new Map([
  ["ecdsa-sha2-256-nistp256", "ecdsa-p256"],
  ["ecdsa-sha2-384-nistp384", "ecdsa-p384"],
  ["ecdsa-sha2-512-nistp521", "ecdsa-p521"],
  ["rsa-sign-pkcs1-2048-sha256", "rsa-2048"],
  ["rsa-sign-pkcs1-3072-sha256", "rsa-3072"],
  ["rsa-sign-pkcs1-4096-sha256", "rsa-4096"],
]);

/** Files that are read and hashed at once. What is printed keeps their order. */
const BLOBS_AT_ONCE = 4;

/** `sign-blob`: the first file that fails ends it. */
export const signBlobCommand: CommandFunction<typeof SIGN_BLOB_FLAGS> = async (call) => {
  const { flags, args } = call;
  const settings = settingsOf(call);
  const { key, plan, keyType, isBundle } = settings;
  const { signal } = new AbortController();
  await using opened = await openSigning(plan, call, {
    signal,
    stdinIsTaken: args.includes("-"),
    keys: [key],
    ...(plan.isIssued ? { leased: key } : {}),
    formats: [isBundle ? "bundle" : "legacy"],
    keyType,
    certificates: flags,
  });
  const signing = withoutLostTimestamps(opened.signing(key), settings, call);
  const identity = await signing.identity(signal);
  const digest = digestFor(identity, "message", signing.vouchers);
  const isWhole = needsWhole(identity.signer, digest);
  const read = {
    env: call.env,
    keptBytes: isWhole ? MAX_WHOLE_BYTES : KEPT_BYTES,
    algorithms: [...new Set(["sha256" as const, digest])],
  };
  const limit = pLimit(isWhole ? 1 : BLOBS_AT_ONCE);
  const failed = new AbortController();
  const signed = args.map((source) =>
    limit(async () => {
      failed.signal.throwIfAborted();
      using deadline = startDeadline(flags.timeout, "Cannot sign the blob");
      const stop = AbortSignal.any([deadline.signal, failed.signal]);
      return await signOne(source, { ...read, signal: stop }, signing, isBundle);
    }),
  );
  try {
    for (const [i, result] of signed.entries()) {
      const one = await result;
      if (args[i] !== "-")
        call.stderr.write(`Using payload from: ${printableText(args[i] ?? "")}\n`);
      handOver(one, settings, call);
    }
  } finally {
    failed.abort();
    await Promise.allSettled(signed);
  }
  return 0;
};

/** Checks the flags in cosign's order. */
function settingsOf(call: Call): Settings {
  const { flags, given, args } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const isBundle = given.has("new-bundle-format") ? flags["new-bundle-format"] : generation === 3;
  if (isBundle && !flags.bundle && generation === 3 && (flags.key || !flags.sk)) {
    throw usage(
      "must specify --bundle with --new-bundle-format",
      "Name the bundle's file with --bundle, or sign without one: --new-bundle-format=false",
    );
  }
  const keyType = SIGNING_ALGORITHMS.get(flags["signing-algorithm"]);
  if (keyType === undefined) {
    throw usage(
      `invalid signing algorithm: ${flags["signing-algorithm"]}. Supported algorithms are: ${[...SIGNING_ALGORITHMS.keys()].join(", ")}`,
    );
  }
  const key = signingKey(call, generation);
  refuseLater(SIGN_BLOB_FLAGS, flags, given);
  checkSignerCertificateFlags(flags);
  const plan = signingPlan(call, generation, key === KEYLESS || flags["issue-certificate"]);
  if (flags["timestamp-server-url"] && !isBundle && !flags["rfc3161-timestamp"]) {
    throw usage("must use protobuf bundle or set timestamp output path", "Add --rfc3161-timestamp");
  }
  checkSeveral(args, flags);
  return { key, plan, isBundle, keyType };
}

function checkSeveral(args: readonly string[], flags: Call["flags"]): void {
  if (args.length < 2) return;
  const file = (
    ["bundle", "output-signature", "output", "output-certificate", "rfc3161-timestamp"] as const
  ).find((name) => flags[name]);
  if (file !== undefined) {
    throw usage(`The file of --${file} holds one blob's signature`, "Sign the blobs one by one");
  }
  if (args.filter((source) => source === "-").length > 1) {
    throw usage("Standard input can be signed once only");
  }
}

/** An old bundle has no place for a timestamp: none is asked for that nobody would keep. */
function withoutLostTimestamps(signing: Signing, { isBundle }: Settings, { flags }: Call): Signing {
  if (isBundle || flags["rfc3161-timestamp"]) return signing;
  return { ...signing, vouchers: { ...signing.vouchers, timestampAuthorities: [] } };
}

interface SignedBlob {
  readonly blob: BlobContent;
  readonly vouched: VouchedSignature;
}

async function signOne(
  source: string,
  read: Parameters<typeof readBlob>[1] & { readonly signal: AbortSignal },
  signing: Signing,
  isBundle: boolean,
): Promise<SignedBlob> {
  try {
    if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(source)) {
      throw new CosignError(
        "FILE_READ",
        `Cannot read file "${source}": no such file or directory`,
        {
          hint: "Only files and standard input are signed: download it first",
        },
      );
    }
    const blob = await readBlob(source, read);
    const draft = blobDraft(blob, isBundle ? "proof" : "promise");
    return { blob, vouched: await signVouched(draft, signing, read.signal) };
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    const { hint } = error;
    throw new CosignError(error.code, `signing ${source}: ${error.message}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Writes what was made where it was asked for: all of it, also where cosign 3.1 ignores a flag. */
function handOver({ blob, vouched }: SignedBlob, settings: Settings, call: Call): void {
  const { flags, stdout } = call;
  const { plan, isBundle } = settings;
  const { signature, material } = vouched;
  const [entry] = material.logEntries;
  for (const text of vouched.warnings) call.stderr.write(`WARNING: ${text}\n`);
  if (plan.generation < 3 && entry !== undefined) {
    call.stderr.write(`tlog entry created with index: ${entry.logIndex}\n`);
  }
  if (flags.bundle) {
    const bytes = isBundle
      ? newBundleOf(blob, vouched)
      : oldBundleOf(signature, vouched, namesKey(plan));
    writeOutputFile(flags.bundle, bytes, PRIVATE_MODE);
    tell("bundle", flags.bundle, plan, call);
  }
  const text = flags.b64 ? encodeBase64(signature) : signature;
  const path = flags.output || flags["output-signature"];
  if (path) {
    writeOutputFile(path, text, PRIVATE_MODE);
    tell("signature", path, plan, call);
  } else if (!isBundle || plan.generation < 3) {
    stdout.write(typeof text === "string" ? `${text}\n` : text);
  }
  writeCertificate(vouched, plan, call);
  const [timestamp] = material.timestamps;
  if (flags["rfc3161-timestamp"] && timestamp !== undefined) {
    writeOutputFile(flags["rfc3161-timestamp"], encodeSignedTimestamp(timestamp), PRIVATE_MODE);
    const words =
      plan.generation === 2 ? "RFC3161 timestamp written to file" : "Wrote timestamp to file";
    call.stderr.write(`${words} ${printableText(flags["rfc3161-timestamp"])}\n`);
  }
}

function newBundleOf(
  blob: BlobContent,
  { signature, digest, identity, material }: VouchedSignature,
): Uint8Array {
  const { spki } = identity.signer.publicKey;
  const named = { algorithm: digest, digest: hashOf(blob, digest) };
  return encodeMessageBundle(signature, named, { ...material, spki });
}

function writeCertificate({ identity }: VouchedSignature, plan: SigningPlan, call: Call): void {
  const { flags } = call;
  const path = flags["output-certificate"];
  const { certificate, signer } = identity;
  if (!path) return;
  let pem: string;
  if (certificate !== undefined) pem = encodePem("CERTIFICATE", certificate.der);
  else if (plan.generation === 1 && plan.upload)
    pem = encodePem("PUBLIC KEY", signer.publicKey.spki);
  else return;
  writeOutputFile(path, flags.b64 ? encodeBase64(utf8(pem)) : pem, PRIVATE_MODE);
  tell("certificate", path, plan, call);
}

/** Whether an old bundle names a key that signs without a certificate: 1.13 where the log has it, then 3.1. */
function namesKey({ generation, upload }: SigningPlan): boolean {
  return generation === 3 || (generation === 1 && upload);
}

/** 1.x says it on standard output, in other words. */
function tell(what: string, path: string, { generation }: SigningPlan, call: Call): void {
  const shown = printableText(path);
  if (generation > 1) call.stderr.write(`Wrote ${what} to file ${shown}\n`);
  else
    call.stdout.write(`${what.replace(/^./, (c) => c.toUpperCase())} wrote in the file ${shown}\n`);
}
