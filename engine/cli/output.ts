import { encodeGoJson, type Json } from "../formats/go_json.ts";
import type { SignatureFact } from "../model/verdict.ts";
import { printableJson, printableLine } from "./printable.ts";

/** What was checked of signatures: the header says this and no more. */
export interface Checked {
  readonly annotations: boolean;
  readonly claims: boolean;
  /** How a transparency log vouches for them all: by what lies beside them, or because it was asked. */
  readonly logged: false | "offline" | "online";
  /** What was believed: a key, or a certificate. */
  readonly by: "key" | "certificate";
}

/** What was checked of all of an image's signatures, by what is known of them. */
export function checkedOf(
  signatures: readonly SignatureFact[],
  flags: { readonly claims: boolean; readonly annotations: boolean },
): Checked {
  const areLogged =
    signatures.length > 0 && signatures.every(({ logEntries }) => logEntries !== undefined);
  const isOnline = signatures.some(({ logEntries = [] }) =>
    logEntries.some(({ lookedUp }) => lookedUp),
  );
  return {
    ...flags,
    logged: areLogged && (isOnline ? "online" : "offline"),
    by: signatures.some(({ certificate }) => certificate !== undefined) ? "certificate" : "key",
  };
}

/**
 * What cosign prints on stderr over the signatures of an image.
 *
 * @param name The image.
 */
export function verificationHeader(name: string, checked: Checked): string {
  const lines = [
    "",
    `Verification for ${printableLine(name)} --`,
    "The following checks were performed on each of these signatures:",
    ...(checked.annotations ? ["  - The specified annotations were verified."] : []),
    ...(checked.claims ? ["  - The cosign claims were validated"] : []),
    ...(checked.logged === "offline"
      ? ["  - Existence of the claims in the transparency log was verified offline"]
      : []),
    ...(checked.logged === "online" ? ["  - The claims were present in the transparency log"] : []),
    ...(checked.logged === "online" && checked.by === "certificate"
      ? [
          "  - The signatures were integrated into the transparency log when the certificate was valid",
        ]
      : []),
    checked.by === "key"
      ? "  - The signatures were verified against the specified public key"
      : "  - The code-signing certificate was verified using trusted certificate authority certificates",
  ];
  return `${lines.join("\n")}\n`;
}

/** The signatures of an image as cosign prints them on stdout: one array, in JSON as Go writes it. */
export function signaturesJson(signatures: readonly SignatureFact[]): string {
  return `\n[${signatures.map(payloadJson).join(",")}]\n`;
}

/** The signatures of an image, a payload a line (`-o text`). */
export function signaturesText(signatures: readonly SignatureFact[]): string {
  return signatures.map((signature) => `${payloadJson(signature)}\n`).join("");
}

function payloadJson(signature: SignatureFact): string {
  // A payload came out of JSON, and is printed as such.
  return printableJson(encodeGoJson(signature.payload as Json));
}

/** The envelope of an attestation, in one line. */
export function attestationText({ attestation }: SignatureFact): string {
  const text = attestation?.envelope ?? "";
  return printableJson(/[\r\n]/.test(text) ? encodeGoJson(JSON.parse(text)) : text);
}
