import { parseDer } from "../crypto/der.ts";
import type { Certificate } from "../formats/x509.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { issuerOf } from "./identity.ts";

/** What Fulcio says in a certificate of how its holder came to it, by the names that sigstore's clients show. */
export type CertificateFacts = Readonly<Partial<Record<FactName | "issuer", string>>>;

/** Fulcio's extensions beside the issuer. */
export type FactName = (typeof FACTS)[number][1];

/** Contents of Fulcio's OBJECT IDENTIFIERs 1.3.6.1.4.1.57264.1.N in hexadecimal, without N. */
const FULCIO = "2b0601040183bf3001";
const TAG_UTF8_STRING = 0x0c;
/** Extensions up to this are the text as it is, later ones DER. */
const LAST_PLAIN = 6;
/** Of one fact: they come to terminals and into reports. */
const MAX_FACT_BYTES = 4096;
/** The last number of each OBJECT IDENTIFIER, and the fact's name. */
const FACTS = [
  [2, "githubWorkflowTrigger"],
  [3, "githubWorkflowSHA"],
  [4, "githubWorkflowName"],
  [5, "githubWorkflowRepository"],
  [6, "githubWorkflowRef"],
  [9, "buildSignerURI"],
  [10, "buildSignerDigest"],
  [11, "runnerEnvironment"],
  [12, "sourceRepositoryURI"],
  [13, "sourceRepositoryDigest"],
  [14, "sourceRepositoryRef"],
  [15, "sourceRepositoryIdentifier"],
  [16, "sourceRepositoryOwnerURI"],
  [17, "sourceRepositoryOwnerIdentifier"],
  [18, "buildConfigURI"],
  [19, "buildConfigDigest"],
  [20, "buildTrigger"],
  [21, "runInvocationURI"],
  [22, "sourceRepositoryVisibilityAtSigning"],
  [23, "deploymentEnvironment"],
] as const;

/** The facts in a certificate; what cannot be read as text is no fact. */
export function certificateFacts(certificate: Certificate): CertificateFacts {
  const facts: Partial<Record<FactName | "issuer", string>> = {};
  const issuer = issuerOf(certificate);
  if (issuer !== "") facts.issuer = issuer;
  for (const [number, name] of FACTS) {
    const value = certificate.extensions.get(FULCIO + number.toString(16).padStart(2, "0"));
    const text = value === undefined ? undefined : textOf(value, number <= LAST_PLAIN);
    if (text !== undefined) facts[name] = text;
  }
  return facts;
}

function textOf(value: Uint8Array, isPlain: boolean): string | undefined {
  if (value.length > MAX_FACT_BYTES) return undefined;
  try {
    return parseUtf8(isPlain ? value : parseDer(value, TAG_UTF8_STRING).content);
  } catch {
    return undefined;
  }
}
