/** `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits (OCI image-spec, "Digests"). Made only by {@link parseDigest}. */
export type Digest = string & { readonly [brand]: "Digest" };
declare const brand: unique symbol;

/** The digest algorithms that OCI registers. */
export type DigestAlgorithm = "sha256" | "sha512";

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Reads a digest.
 *
 * @throws {SyntaxError} when `text` is anything but a registered algorithm and its hex digits.
 */
export function parseDigest(text: string): Digest {
  if (!DIGEST.test(text)) {
    throw new SyntaxError(`Cannot parse digest ${JSON.stringify(text.slice(0, 150))}`);
  }
  return text as Digest;
}

/** Whether `text` is a digest that {@link parseDigest} takes. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** The algorithm of a digest: what stands before the colon. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hexadecimal digits of a digest: what stands after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(7);
}
