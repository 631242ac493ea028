import { attachAttestationTag, type Replaced } from "../artifacts/attestation_tag.ts";
import { attachBundle, describeSubject } from "../artifacts/bundle_referrer.ts";
import { dockerReferenceOf } from "../artifacts/resolve.ts";
import type { Stores } from "../artifacts/stores.ts";
import { type DsseEnvelope, dsseValue, oldDsseValue } from "../formats/dsse.ts";
import { encodeGoValue, encodeGoValueBytes, type GoValue } from "../formats/go_value.ts";
import { encodeAttestationStatement, parseStatement } from "../formats/in_toto.ts";
import { materialAnnotations } from "../formats/layer_material.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { utf8 } from "../model/bytes.ts";
import { digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { AttestJob } from "../model/job.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact } from "../model/verdict.ts";
import { subjectsAbout } from "../verify/envelope.ts";
import { parseOrThrow } from "../verify/parse_or_throw.ts";
import {
  bareStatementDraft,
  type Draft,
  type EntryKind,
  envelopeOf,
  statementDraft,
} from "./draft.ts";
import { bundleOf, madeFact, oldBundleOf, vouchedFact } from "./fact.ts";
import { type Signing, signVouched, type VouchedSignature } from "./vouch.ts";

/** What one attestation is to say, and where it goes. */
export interface AttestOptions {
  readonly content: AttestJob["content"];
  readonly predicateType: string;
  readonly generation: Generation;
  readonly replace: boolean;
  /** As what it stands in the log. Default `dsse`. */
  readonly entryKind?: EntryKind;
  /** False: write nothing. */
  readonly upload: boolean;
  /** Whether the fact holds what was made. */
  readonly returnMade: boolean;
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
 * Signs a statement about a subject and puts it beside the subject, with all that vouches for it.
 *
 * @throws {CosignError} `CLAIM_MISMATCH` when a given statement is about something else;
 * `LIMIT_EXCEEDED` when what is made would not be read again; as `signVouched()`; what the registry says.
 */
export async function attest(
  subject: Subject,
  format: SignatureFormat,
  signing: Signing,
  stores: Stores,
  options: AttestOptions,
): Promise<Attested> {
  const { predicateType, generation } = options;
  // Before it is signed: no log shall hear of an image that is not there.
  const isReferrer = format === "bundle" && options.upload;
  const target = isReferrer ? await describeSubject(subject, stores, options.signal) : subject;
  const payload = statementOf(subject, options);
  const vouched = await signVouched(
    format === "bundle" ? statementDraft(payload, options.entryKind) : bareDraft(payload, options),
    signing,
    options.signal,
  );
  const envelope = envelopeOf(payload, vouched.signature);
  tidyAfter(payload.length);
  const content =
    format === "bundle"
      ? bundleOf(envelope, vouched)
      : encodeGoValueBytes(envelopeValue(envelope, generation));
  const limitBytes = stores.conventions.maxAttachmentBytes;
  if (content.length > limitBytes) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot attest "${subject.name}": the attestation has ${content.length} bytes, and more than ${limitBytes} are not read again`,
      { hint: "Set COSIGN_MAX_ATTACHMENT_SIZE, here and wherever it is verified" },
    );
  }
  const fact = factOf(vouched, envelope, format, content, options);
  if (!options.upload) return { fact };
  if (format === "legacy") {
    const annotations = materialAnnotations(vouched.material);
    const attestation = { content, predicateType, isAnnotated: generation > 1, annotations };
    const replaced = await attachAttestationTag(subject, attestation, stores, options);
    return options.replace ? { fact, replaced } : { fact };
  }
  const createdAt = `${options.now.toISOString().slice(0, 19)}Z`;
  await attachBundle(target, content, stores, { ...options, createdAt });
  return { fact };
}

/** The JSON of an envelope as a generation of cosign writes it by itself. */
export function envelopeJson(envelope: DsseEnvelope, generation: Generation): string {
  return encodeGoValue(envelopeValue(envelope, generation));
}

function envelopeValue(envelope: DsseEnvelope, generation: Generation): GoValue {
  return generation === 3 ? dsseValue(envelope) : oldDsseValue(envelope);
}

/** What is to be signed for an envelope that will stand by itself. */
export function bareDraft(
  payload: Uint8Array,
  { generation, entryKind }: Pick<AttestOptions, "generation" | "entryKind">,
): Draft {
  return bareStatementDraft(payload, (envelope) => envelopeJson(envelope, generation), entryKind);
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

/** @param content What lies beside the image: the bundle, or the envelope. */
function factOf(
  vouched: VouchedSignature,
  envelope: DsseEnvelope,
  format: SignatureFormat,
  content: Uint8Array,
  { predicateType, generation, upload, returnMade }: AttestOptions,
): SignatureFact {
  const fact = {
    format,
    ...vouchedFact(vouched),
    payload: null,
    annotations: {},
    state: upload ? "written" : "not-uploaded",
  } as const;
  if (!returnMade) return fact;
  const bundle = format === "bundle" ? content : oldBundleOf(content, vouched, true);
  return {
    ...fact,
    attestation: { predicateType, envelope: envelopeJson(envelope, generation) },
    made: madeFact(vouched, envelope.payload, bundle),
  };
}
