import { expectTag, parseDer } from "../crypto/der.ts";
import type { Certificate } from "../formats/x509.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { IdentityDemand, WantedDemand, WorkflowField } from "../model/policy.ts";
import { type Pattern, parsePattern } from "./re2.ts";

/** A text that must be met: exactly, or by a pattern. */
export type Wanted = { readonly exact: string } | { readonly pattern: Pattern };

/** What a certificate must say of whom it is for, and who vouched for that. */
export interface IdentityPolicy {
  /** One of the certificate's names. */
  readonly identity?: Wanted;
  readonly issuer?: Wanted;
  /** Values of Fulcio's extensions about GitHub workflows, by {@link WorkflowField}. */
  readonly workflow?: Readonly<Partial<Record<WorkflowField, string>>>;
}

/** Contents of Fulcio's OBJECT IDENTIFIERs 1.3.6.1.4.1.57264.1.N in hexadecimal, without N. */
const FULCIO = "2b0601040183bf3001";
const ISSUER_OLD = `${FULCIO}01`; // the text as it is
const ISSUER = `${FULCIO}08`; // a UTF8String
const WORKFLOW_EXTENSIONS: Readonly<Record<WorkflowField, string>> = {
  trigger: `${FULCIO}02`,
  sha: `${FULCIO}03`,
  name: `${FULCIO}04`,
  repository: `${FULCIO}05`,
  ref: `${FULCIO}06`,
};
const TAG_UTF8_STRING = 0x0c;

/**
 * Makes what must be met of a pair of flags; the pattern goes before the text, as in cosign.
 *
 * @throws {SyntaxError} when the pattern is none of Go's.
 */
export function wantedText(
  exact: string | undefined,
  pattern: string | undefined,
): Wanted | undefined {
  if (pattern !== undefined && pattern !== "") return { pattern: parsePattern(pattern) };
  return exact === undefined || exact === "" ? undefined : { exact };
}

/** Makes a policy of what was demanded. @throws {SyntaxError} when a pattern is none of Go's. */
export function identityPolicy({ subject, issuer, workflow }: IdentityDemand): IdentityPolicy {
  return {
    ...(subject === undefined ? {} : { identity: wantedOf(subject) }),
    ...(issuer === undefined ? {} : { issuer: wantedOf(issuer) }),
    ...(workflow === undefined ? {} : { workflow }),
  };
}

function wantedOf(demand: WantedDemand): Wanted {
  return "exact" in demand ? demand : { pattern: parsePattern(demand.regExp) };
}

/** Checks what a certificate says. @throws {CosignError} `IDENTITY_MISMATCH` with what it says instead. */
export function checkIdentity(certificate: Certificate, policy: IdentityPolicy): void {
  const names = namesOf(certificate);
  const { identity, issuer } = policy;
  if (identity !== undefined && !names.some((name) => meets(name, identity))) {
    throw mismatch("subject", names, identity);
  }
  const issuedBy = issuerOf(certificate);
  if (issuer !== undefined && !meets(issuedBy, issuer)) {
    throw mismatch("issuer", issuedBy === "" ? [] : [issuedBy], issuer);
  }
  for (const [field, wanted] of Object.entries(policy.workflow ?? {})) {
    const oid = Object.entries(WORKFLOW_EXTENSIONS).find(([name]) => name === field)?.[1] ?? "";
    const got = textOf(certificate.extensions.get(oid));
    if (got !== wanted)
      throw mismatch(`GitHub workflow ${field}`, got ? [got] : [], { exact: wanted });
  }
}

/** What a certificate says, as far as anybody asks. */
export function identityFacts(certificate: Certificate): {
  readonly subjects: readonly string[];
  readonly issuer: string;
  readonly workflow: Readonly<Partial<Record<WorkflowField, string>>>;
} {
  const workflow = Object.entries(WORKFLOW_EXTENSIONS).flatMap(([field, oid]) => {
    const value = textOf(certificate.extensions.get(oid));
    return value === "" ? [] : [[field, value] as const];
  });
  return {
    subjects: namesOf(certificate),
    issuer: issuerOf(certificate),
    workflow: Object.fromEntries(workflow),
  };
}

/** Who vouched for the identity, by Fulcio's extension; empty when the certificate does not say. */
export function issuerOf({ extensions }: Certificate): string {
  const value = extensions.get(ISSUER);
  if (value === undefined) return textOf(extensions.get(ISSUER_OLD));
  try {
    return parseUtf8(expectTag(parseDer(value, TAG_UTF8_STRING), TAG_UTF8_STRING).content);
  } catch {
    return ""; // what cannot be read names nobody
  }
}

function namesOf({ alternativeNames }: Certificate): readonly string[] {
  return alternativeNames.flatMap(({ kind, value }) =>
    kind === "unknown" ? [] : [kind === "ip" ? addressText(value) : value],
  );
}

function meets(text: string, wanted: Wanted): boolean {
  return "exact" in wanted ? text === wanted.exact : wanted.pattern.test(text);
}

function textOf(value: Uint8Array | undefined): string {
  return new TextDecoder().decode(value ?? new Uint8Array());
}

/** An address as Go's `net.IP` prints it. */
function addressText(hex: string): string {
  const bytes = [...Uint8Array.fromHex(hex)];
  if (bytes.length === 4) return bytes.join(".");
  const host = new URL(`http://[${hex.replaceAll(/(.{4})(?!$)/g, "$1:")}]`).hostname;
  return host.slice(1, -1);
}

function mismatch(what: string, got: readonly string[], wanted: Wanted): CosignError {
  const shown = "exact" in wanted ? wanted.exact : wanted.pattern.source;
  const found = got.length === 0 ? "nothing" : got.map((text) => JSON.stringify(text)).join(", ");
  return new CosignError(
    "IDENTITY_MISMATCH",
    `none of the expected identities matched what was in the certificate: the ${what} is ${found.slice(0, 500)}, expected ${JSON.stringify(shown)}`,
  );
}
