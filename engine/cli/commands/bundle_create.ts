import type { SignatureScheme } from "../../crypto/signature.ts";
import { encodeEnvelopeBundle, encodeMessageBundle } from "../../formats/bundle.ts";
import type { LogEntry } from "../../formats/log_entry.ts";
import { isWithin } from "../../formats/trusted_root.ts";
import { readBlob } from "../../io/blob.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { CosignError } from "../../model/errors.ts";
import { findEntries } from "../../transparency/rekor_search.ts";
import { blobContent, digestsOfBlob, type SignedBlob } from "../../verify/blob.ts";
import { checkLogBody, type LoggedSignature } from "../../verify/log_entry.ts";
import { envelopeContent } from "../../verify/signer.ts";
import { type BundleParts, readBundleParts } from "../bundle_parts.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import type { BUNDLE_CREATE_FLAGS } from "../flags/bundle.ts";
import { serviceContext } from "../searched_log.ts";

type Call = Invocation<typeof BUNDLE_CREATE_FLAGS>;

/** A signature that holds, and how it was made. */
interface Checked {
  readonly about: LoggedSignature;
  readonly scheme: SignatureScheme;
}

/** `bundle create`: a bundle of a signature, who has made it, and what a log and an authority say of it. */
export const bundleCreateCommand: CommandFunction<typeof BUNDLE_CREATE_FLAGS> = async (call) => {
  const { flags, env, stdout } = call;
  using deadline = startDeadline(flags.timeout, "Cannot make the bundle");
  const { signal } = deadline;
  const parts = await readBundleParts(call, { env, signal });
  const { content, key, certificate, timestamps } = parts;
  const blob = await readBlob(flags.artifact ?? "", {
    env,
    signal,
    algorithms: [...digestsOfBlob(key, { kind: "signature", signature: new Uint8Array() })],
  });
  const checked = check(parts, blob);
  const material = {
    spki: key.spki,
    certificates: certificate === undefined ? [] : [certificate.der],
    logEntries: flags["ignore-tlog"] ? [] : [await findEntry(parts, checked, call, signal)],
    timestamps,
  };
  const made =
    content.kind === "dsse"
      ? encodeEnvelopeBundle(content.envelope, material)
      : encodeMessageBundle(content.signature, digestIn(blob, checked.scheme), material);
  if (flags.out) writeOutputFile(flags.out, made, 0o600);
  else stdout.write(`${new TextDecoder().decode(made)}\n`);
  return 0;
};

/** Makes sure that the parts belong together. @throws {CosignError} `SIGNATURE_INVALID`. */
function check({ content, key, certificate }: BundleParts, blob: SignedBlob): Checked {
  const isEnvelope = content.kind === "dsse";
  const signed = isEnvelope ? envelopeContent(content.envelope) : blobContent(blob);
  const signature = isEnvelope
    ? (content.envelope.signatures[0]?.sig ?? new Uint8Array())
    : content.signature;
  const scheme = signed.check(key, signature);
  const signer = {
    spki: key.spki,
    ...(certificate === undefined ? {} : { certificate: certificate.der }),
  };
  return { scheme, about: { signature, signer, content: signed.logged() } };
}

/** The entry of the signature in the log, with its proof. */
async function findEntry(
  { content, certificate, knownEntry }: BundleParts,
  { about, scheme }: Checked,
  call: Call,
  signal: AbortSignal,
): Promise<LogEntry> {
  const url = call.flags["rekor-url"];
  const text = content.kind === "dsse" ? { text: content.text } : {};
  const found = await findEntries({ about, scheme, ...text }, url, serviceContext(call, signal));
  const proven = found.filter(({ proof }) => proof !== undefined);
  const entry =
    proven.find(({ logIndex }) => logIndex === knownEntry?.logIndex) ??
    proven.find((each) => certificate === undefined || isInTime(each, certificate)) ??
    proven[0];
  if (entry === undefined) {
    throw new CosignError("LOG_ENTRY_MISSING", `unable to find tlog entry in "${url}"`, {
      hint: "Make the bundle without: --ignore-tlog",
    });
  }
  const { kind, version } = checkLogBody(entry, about);
  return { ...entry, kindVersion: { kind, version } };
}

/** Whether the certificate was valid when the log took the entry. */
function isInTime(
  { integratedTime = 0 }: LogEntry,
  { notBefore, notAfter }: NonNullable<BundleParts["certificate"]>,
): boolean {
  return isWithin(new Date(integratedTime * 1000), { start: notBefore, end: notAfter });
}

/** The digest that was signed, where bundles have a name for it; else SHA-256, as cosign always writes. */
function digestIn(blob: SignedBlob, scheme: SignatureScheme) {
  const own = (["sha384", "sha512"] as const).find((name) => scheme.endsWith(`-${name}`));
  const algorithm = own !== undefined && blob.digests[own] !== undefined ? own : "sha256";
  return { algorithm, digest: blob.digests[algorithm] ?? new Uint8Array() } as const;
}
