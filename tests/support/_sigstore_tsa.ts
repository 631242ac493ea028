import { createHash, type KeyObject, sign } from "node:crypto";
import {
  derElements,
  encodeDer,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "../../engine/crypto/der.ts";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import { extension, makeAuthority, makeCertificate, type TestCertificate } from "./certificates.ts";

/** A timestamp authority in memory (RFC 3161). */
export interface TestTimestampAuthority {
  /** The signing certificate first, the root last. */
  readonly chain: readonly TestCertificate[];
  /** Answers a request, DER to DER. */
  answer(query: Uint8Array, changes?: TimestampChanges): Uint8Array;
}

/** What an answer says otherwise than asked. */
export interface TimestampChanges {
  readonly time?: Date;
  readonly status?: number;
  readonly nonce?: Uint8Array;
  readonly withoutNonce?: boolean;
  readonly imprint?: Uint8Array;
  readonly withoutCertificate?: boolean;
  /** Contents of OBJECT IDENTIFIERs in hexadecimal. */
  readonly contentType?: string;
  readonly signedContentType?: string;
  readonly contentDigest?: Uint8Array;
  readonly certificateHash?: Uint8Array;
  readonly serial?: number;
  readonly signingKey?: KeyObject;
  /** In seconds. */
  readonly accuracy?: number;
  readonly withoutSigningCertificate?: boolean;
}

/** What the authority's own certificate says otherwise. */
export interface AuthorityChanges {
  readonly uses?: readonly string[];
  readonly isCritical?: boolean;
  readonly notBefore?: string;
  readonly notAfter?: string;
}

export const TIME_STAMPING = "2b06010505070308";
const OID = {
  signedData: "2a864886f70d010702",
  tstInfo: "2a864886f70d0109100104",
  contentType: "2a864886f70d010903",
  messageDigest: "2a864886f70d010904",
  signingCertificateV2: "2a864886f70d010910022f",
  sha256: "608648016503040201",
  ecdsaSha256: "2a8648ce3d040302",
  policy: "2b0601040183bf3002",
} as const;
const DIGEST_NAMES: ReadonlySet<string> = new Set([
  "608648016503040201",
  "608648016503040202",
  "608648016503040203",
]);

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encodeDer(TAG.sequence, ...parts);
const oid = (hex: string): Uint8Array => encodeDer(TAG.oid, Uint8Array.fromHex(hex));
const octets = (bytes: Uint8Array): Uint8Array => encodeDer(TAG.octetString, bytes);
const integer = (...bytes: readonly number[]): Uint8Array =>
  encodeDer(TAG.integer, Uint8Array.from((bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes));

/** Makes an authority with keys of its own. */
export function makeTimestampAuthority(changes: AuthorityChanges = {}): TestTimestampAuthority {
  const validity = {
    notBefore: changes.notBefore ?? "20200101000000Z",
    notAfter: changes.notAfter ?? "20460101000000Z",
  };
  const root = makeAuthority("timestamp root", undefined, validity);
  const uses = changes.uses ?? [TIME_STAMPING];
  const leaf = makeCertificate({
    subject: "timestamp signing",
    issuer: root,
    keyUsage: 0x80,
    ...validity,
    more: [extension("551d25", sequence(...uses.map(oid)), changes.isCritical ?? true)],
  });
  return {
    chain: [leaf, root],
    answer: (query, wanted = {}) => answer(leaf, query, wanted),
  };
}

function answer(leaf: TestCertificate, query: Uint8Array, changes: TimestampChanges): Uint8Array {
  const [version, imprint, ...optional] = parseDerSequence(query);
  if (parseDerUnsigned(version).toHex() !== "01") throw new SyntaxError("not version 1");
  const [algorithm, digest] = parseDerSequence(imprint?.raw ?? new Uint8Array());
  const name = parseDerOid(derElements(algorithm?.content ?? new Uint8Array())[0]);
  if (!DIGEST_NAMES.has(name)) throw new SyntaxError("unknown digest");
  const status = changes.status ?? 0;
  if (status > 1) return sequence(sequence(integer(status)));
  const nonce = optional.find(({ tag }) => tag === TAG.integer);
  const wantsCertificate = optional.some(({ tag, content }) => tag === 0x01 && content[0] === 0xff);
  const time = (changes.time ?? new Date()).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const info = sequence(
    integer(1),
    oid(OID.policy),
    sequence(
      algorithm?.raw ?? new Uint8Array(),
      octets(changes.imprint ?? digest?.content ?? new Uint8Array()),
    ),
    integer(...crypto.getRandomValues(new Uint8Array(8)).with(0, 1)),
    encodeDer(0x18, utf8(time)),
    ...(changes.accuracy === undefined ? [] : [sequence(integer(changes.accuracy))]),
    ...(nonce === undefined || changes.withoutNonce
      ? []
      : [changes.nonce === undefined ? nonce.raw : encodeDer(TAG.integer, changes.nonce)]),
  );
  const certificateHash = changes.certificateHash ?? hashOf(leaf.der);
  const attribute = (type: string, value: Uint8Array): Uint8Array =>
    sequence(oid(type), encodeDer(0x31, value));
  const attributes = concatBytes(
    attribute(OID.contentType, oid(changes.signedContentType ?? OID.tstInfo)),
    attribute(OID.messageDigest, octets(changes.contentDigest ?? hashOf(info))),
    ...(changes.withoutSigningCertificate
      ? []
      : [
          attribute(
            OID.signingCertificateV2,
            sequence(sequence(sequence(octets(certificateHash)))),
          ),
        ]),
  );
  const signature = sign(
    "sha256",
    encodeDer(0x31, attributes),
    changes.signingKey ?? leaf.privateKey,
  );
  const [tbs] = parseDerSequence(leaf.der);
  const fields = derElements(tbs?.content ?? new Uint8Array());
  const signer = sequence(
    integer(1),
    sequence(
      fields[3]?.raw ?? new Uint8Array(),
      changes.serial === undefined ? (fields[1]?.raw ?? integer(1)) : integer(changes.serial),
    ),
    sequence(oid(OID.sha256)),
    encodeDer(0xa0, attributes),
    sequence(oid(OID.ecdsaSha256)),
    octets(new Uint8Array(signature)),
  );
  const withCertificate = wantsCertificate && !changes.withoutCertificate;
  const signedData = sequence(
    integer(3),
    encodeDer(0x31, sequence(oid(OID.sha256))),
    sequence(oid(changes.contentType ?? OID.tstInfo), encodeDer(0xa0, octets(info))),
    ...(withCertificate ? [encodeDer(0xa0, leaf.der)] : []),
    encodeDer(0x31, signer),
  );
  return sequence(
    sequence(integer(status)),
    sequence(oid(OID.signedData), encodeDer(0xa0, signedData)),
  );
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
