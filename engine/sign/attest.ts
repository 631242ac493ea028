import { attachAttestationTag, type Replaced } from "../artifacts/attestation_tag.ts";
import { attachBundle, encodeBundle } from "../artifacts/bundle_referrer.ts";
import { dockerReferenceOf } from "../artifacts/resolve.ts";
import type { Stores } from "../artifacts/stores.ts";
import { sha256 } from "../crypto/hash.ts";
import { type DsseEnvelope, dsseJson, encodeOldDsse, encodePae } from "../formats/dsse.ts";
import { encodeGoJson } from "../formats/go_json.ts";
import { encodeAttestationStatement, parseStatement } from "../formats/in_toto.ts";
import { MEDIA } from "../formats/media_types.ts";
import { encodeBase64, utf8 } from "../model/bytes.ts";
import { digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { AttestJob } from "../model/job.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact } from "../model/verdict.ts";
import type { Signer } from "../plugin_host/contract.ts";
import { subjectsAbout } from "../verify/envelope.ts";
import { parseOrThrow } from "../verify/parse_or_throw.ts";

/** What one attestation is to say, and where it goes. */
export interface AttestOptions {
  readonly content: AttestJob["content"];
  readonly predicateType: string;
  readonly generation: Generation;
  readonly replace: boolean;
  /** False: write nothing. */
  readonly upload: boolean;
  readonly now: Date;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** An attestation that was made. */
export interface Attested {
  readonly fact: SignatureFact;
  /** Only with `replace`: what became of those that were there. */
  readonly replaced?: Replaced;
}

/**
 * Signs a statement about a subject and puts it beside the subject.
 *
 * @throws {CosignError} `CLAIM_MISMATCH` when a given statement is about something else;
 * `LIMIT_EXCEEDED` when what is made would not be read again; of the key; what the registry says.
 */
export async function attest(
  subject: Subject,
  format: SignatureFormat,
  signer: Signer,
  stores: Stores,
  options: AttestOptions,
): Promise<Attested> {
  const { predicateType, generation } = options;
  const envelope = await signStatement(statementOf(subject, options), signer, options.signal);
  const text = envelopeJson(envelope, generation);
  const limitBytes = stores.conventions.maxAttachmentBytes;
  if (text.length > limitBytes) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot attest "${subject.name}": the attestation has ${text.length} bytes, and more than ${limitBytes} are not read again`,
      { hint: "Set COSIGN_MAX_ATTACHMENT_SIZE, here and wherever it is verified" },
    );
  }
  const fact = factOf(envelope, text, format, signer, options);
  if (!options.upload) return { fact };
  if (format === "legacy") {
    const attestation = { text, predicateType, isAnnotated: generation > 1 };
    const replaced = await attachAttestationTag(subject, attestation, stores, options);
    return options.replace ? { fact, replaced } : { fact };
  }
  const createdAt = `${options.now.toISOString().slice(0, 19)}Z`;
  await attachBundle(subject, envelope, signer.publicKey, stores, { ...options, createdAt });
  return { fact };
}

/** Signs a statement as it is. */
export async function signStatement(
  payload: Uint8Array,
  signer: Signer,
  signal?: AbortSignal,
): Promise<DsseEnvelope> {
  const sig = await signer.sign(encodePae(MEDIA.inToto, payload), signal);
  return { payloadType: MEDIA.inToto, payload, signatures: [{ keyid: "", sig }] };
}

/** The JSON of an envelope as a generation of cosign writes it by itself. */
export function envelopeJson(envelope: DsseEnvelope, generation: Generation): string {
  return generation === 3 ? encodeGoJson(dsseJson(envelope)) : encodeOldDsse(envelope);
}

function statementOf(subject: Subject, options: AttestOptions): Uint8Array {
  const { content, predicateType, generation } = options;
  const algorithm = digestAlgorithm(subject.digest);
  const hex = digestHex(subject.digest);
  if (content.kind === "statement") {
    const bytes = utf8(content.json);
    const statement = parseOrThrow("PREDICATE_INVALID", () => parseStatement(bytes));
    subjectsAbout(statement, algorithm, hex);
    return bytes;
  }
  return encodeAttestationStatement(
    {
      name: dockerReferenceOf(subject),
      digest: { [algorithm]: hex },
      predicateType,
      predicateJson: content.json,
    },
    generation === 3 ? "proto" : "go",
  );
}

function factOf(
  envelope: DsseEnvelope,
  text: string,
  format: SignatureFormat,
  { publicKey }: Signer,
  { predicateType, upload }: AttestOptions,
): SignatureFact {
  const [signature] = envelope.signatures;
  return {
    format,
    key: publicKey.uri,
    keyDigest: `sha256:${sha256(publicKey.spki).toHex()}`,
    payload: null,
    attestation: { predicateType, envelope: text },
    annotations: {},
    state: upload ? "written" : "not-uploaded",
    made: {
      payload: encodeBase64(envelope.payload),
      signature: encodeBase64(signature?.sig ?? new Uint8Array()),
      ...(format === "bundle" ? { bundle: encodeBase64(encodeBundle(envelope, publicKey)) } : {}),
    },
  };
}
