import { isObject, sortKeys } from "../formats/go_json.ts";
import { rekorBundleJson } from "../formats/log_entry_json.ts";
import type { SignatureFact } from "../model/verdict.ts";
import type { VerifiedSigner } from "../verify/signer.ts";
import { signerFacts } from "../verify/signer_facts.ts";

/** Fulcio's extensions by the names that cosign prints: the OBJECT IDENTIFIER, and its own. */
const EXTENSIONS = [
  ["trigger", "1.3.6.1.4.1.57264.1.2", "githubWorkflowTrigger"],
  ["sha", "1.3.6.1.4.1.57264.1.3", "githubWorkflowSha"],
  ["name", "1.3.6.1.4.1.57264.1.4", "githubWorkflowName"],
  ["repository", "1.3.6.1.4.1.57264.1.5", "githubWorkflowRepository"],
  ["ref", "1.3.6.1.4.1.57264.1.6", "githubWorkflowRef"],
] as const;
const OID_ISSUER = "1.3.6.1.4.1.57264.1.1";

/**
 * The payload of a legacy signature as cosign prints it: with what vouches for it among its `optional`.
 * Only what was verified is put there.
 */
export function printedPayload(payload: unknown, signer: VerifiedSigner): unknown {
  // cosign prints the entries that lie beside signatures, and not those that it has looked up.
  const entry = signer.logEntries.find((each) => !each.entry.lookedUp);
  const { certificate } = signerFacts(signer);
  if (!isObject(payload) || (entry === undefined && certificate === undefined)) return payload;
  const { optional } = payload;
  return {
    ...payload,
    optional: sortKeys({
      ...(isObject(optional) ? optional : {}),
      ...(certificate === undefined ? {} : certificateFacts(certificate)),
      ...(entry === undefined ? {} : { Bundle: rekorBundleJson(entry.entry) }),
    }),
  };
}

function certificateFacts({
  subjects,
  issuer,
  workflow,
}: NonNullable<SignatureFact["certificate"]>): Record<string, string> {
  const named = EXTENSIONS.flatMap(([field, oid, name]) => {
    const value = workflow[field];
    return value === undefined ? [] : [[oid, value] as const, [name, value] as const];
  });
  return {
    ...Object.fromEntries(named),
    ...(issuer === "" ? {} : { [OID_ISSUER]: issuer, Issuer: issuer }),
    Subject: subjects[0] ?? "",
  };
}
