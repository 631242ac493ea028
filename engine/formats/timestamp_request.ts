import { encodeDer, expectTag, parseDerSequence, parseDerUnsigned, TAG } from "../crypto/der.ts";
import { concatBytes } from "../model/bytes.ts";

/** What a timestamp is asked for (RFC 3161 §2.4.1). */
export interface TimestampRequest {
  readonly algorithm: "sha256" | "sha384" | "sha512";
  /** Of the message, by `algorithm`. */
  readonly digest: Uint8Array;
  /** Big-endian, positive, without leading zeros. */
  readonly nonce: Uint8Array;
}

/** OBJECT IDENTIFIERs in hexadecimal. */
const DIGEST_OIDS: Readonly<Record<TimestampRequest["algorithm"], string>> = {
  sha256: "608648016503040201",
  sha384: "608648016503040202",
  sha512: "608648016503040203",
};
const TAG_BOOLEAN = 0x01;
const TAG_FAILURE = TAG.bitString;
/** The bits of PKIFailureInfo (RFC 3161 §2.4.2). */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [0, "unrecognized or unsupported algorithm"],
  [2, "transaction not permitted or supported"],
  [5, "data submitted has the wrong format"],
  [14, "the authority's time source is not available"],
  [15, "the requested policy is not supported"],
  [16, "the requested extension is not supported"],
  [17, "the additional information requested could not be understood"],
  [25, "the request cannot be handled due to system failure"],
]);

/** Encodes a request, DER, that asks for the authority's certificate too. */
export function encodeTimestampRequest({ algorithm, digest, nonce }: TimestampRequest): Uint8Array {
  const sign = (nonce[0] ?? 0x80) >= 0x80 ? Uint8Array.of(0) : new Uint8Array();
  return encodeDer(
    TAG.sequence,
    encodeDer(TAG.integer, Uint8Array.of(1)),
    encodeDer(
      TAG.sequence,
      encodeDer(
        TAG.sequence,
        encodeDer(TAG.oid, Uint8Array.fromHex(DIGEST_OIDS[algorithm])),
        encodeDer(TAG.null),
      ),
      encodeDer(TAG.octetString, digest),
    ),
    encodeDer(TAG.integer, concatBytes(sign, nonce)),
    encodeDer(TAG_BOOLEAN, Uint8Array.of(0xff)),
  );
}

/** Why an authority made no timestamp; nothing when it made one. @throws {SyntaxError} when it is no response. */
export function timestampRefusal(response: Uint8Array): string | undefined {
  const [info] = parseDerSequence(response);
  const parts = parseDerSequence(expectTag(info, TAG.sequence).raw);
  const status = Number.parseInt(`0${parseDerUnsigned(parts[0]).toHex()}`, 16);
  if (status <= 1) return undefined;
  const bits = parts.find(({ tag }) => tag === TAG_FAILURE)?.content.subarray(1) ?? [];
  const named = [...FAILURES].flatMap(([bit, text]) =>
    ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) === 0 ? [] : [text],
  );
  return [`status ${status}`, ...named].join(", ");
}
