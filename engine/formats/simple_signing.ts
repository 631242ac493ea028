import { parseUtf8, utf8 } from "../model/bytes.ts";
import { type Digest, isDigest } from "../model/digest.ts";
import { encodeGoJson, foldedValue, isObject, type Json, sortKeys } from "./go_json.ts";

const TYPE = "cosign container image signature";

/** A simple-signing payload: what a legacy signature says. */
export interface SimpleSigning {
  /** The repository that the signer named; nobody checks it. */
  readonly dockerReference: string;
  readonly digest: Digest;
  /** The annotations; only those whose value is a string can be demanded. */
  readonly optional: Readonly<Record<string, unknown>> | null;
  /** The payload as an object with cosign's own spelling of the keys, for printing. */
  readonly payload: { readonly critical: unknown; readonly optional: unknown };
}

/**
 * Encodes the payload that cosign signs, to the byte.
 *
 * @param dockerReference Registry and repository: `index.docker.io/library/demo`.
 */
export function encodeSimpleSigning(
  dockerReference: string,
  digest: Digest,
  annotations: Readonly<Record<string, string>>,
): Uint8Array {
  const optional: Json = Object.keys(annotations).length === 0 ? null : sortKeys(annotations);
  return utf8(
    encodeGoJson({
      critical: {
        identity: { "docker-reference": dockerReference },
        image: { "docker-manifest-digest": digest },
        type: TYPE,
      },
      optional,
    }),
  );
}

/**
 * Reads a payload as Go reads it: keys without regard to their case (v0.1 and v0.2 wrote capitals).
 * `docker-reference` and `type` are not checked, as in cosign.
 *
 * @throws {SyntaxError} when it is no JSON object, or names no digest.
 */
export function parseSimpleSigning(bytes: Uint8Array): SimpleSigning {
  const root: unknown = JSON.parse(decode(bytes));
  if (!isObject(root)) throw new SyntaxError("The payload is no JSON object");
  const critical = objectAt(root, "critical");
  const identity = objectAt(critical, "identity");
  const image = objectAt(critical, "image");
  const digest = foldedValue(image, "docker-manifest-digest");
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw new SyntaxError("invalid or missing digest in claim");
  }
  const reference = foldedValue(identity, "docker-reference");
  const dockerReference = typeof reference === "string" ? reference : "";
  const type = foldedValue(critical, "type");
  const claimed = foldedValue(root, "optional");
  const optional = isObject(claimed) ? claimed : null;
  return {
    dockerReference,
    digest,
    optional,
    payload: {
      critical: {
        identity: { "docker-reference": dockerReference },
        image: { "docker-manifest-digest": digest },
        type: typeof type === "string" ? type : "",
      },
      optional: optional === null ? null : sortKeys(optional),
    },
  };
}

function objectAt(object: object, name: string): object {
  const value = foldedValue(object, name);
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new SyntaxError(`"${name}" in the payload is no object`);
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The payload is not UTF-8", { cause });
  }
}
