import { parseUtf8, utf8Joined } from "../model/bytes.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { encodeGoJson, isObject, sortKeys } from "./go_json.ts";
import { encodeGoValueBytes, GoMap, type GoValue } from "./go_value.ts";
import { SIGN_PREDICATE } from "./media_types.ts";
import { parseStrictJson } from "./strict_json.ts";

/** As sigstore-go has them: more is an attempt to keep us busy (GHSA-cq38-jh5f-37mq). */
const MAX_SUBJECTS = 1024;
const MAX_DIGESTS = 32;

/** An in-toto statement, v0.1 or v1. */
export interface Statement {
  readonly type: string;
  readonly subjects: readonly StatementSubject[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

/** What a statement is about. */
export interface StatementSubject {
  readonly name: string;
  /** Hexadecimal digests by the name of their algorithm. */
  readonly digest: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, unknown>> | null;
}

const STATEMENT_TYPES: readonly unknown[] = [
  "https://in-toto.io/Statement/v0.1",
  "https://in-toto.io/Statement/v1",
];

/**
 * Reads a statement.
 *
 * @throws {SyntaxError} when it is none, or names too many subjects or digests.
 */
export function parseStatement(bytes: Uint8Array): Statement {
  const root = parseStrictJson(decode(bytes));
  if (!isObject(root)) throw new SyntaxError("The statement is no JSON object");
  if (!STATEMENT_TYPES.includes(root["_type"])) {
    throw new SyntaxError(`The statement is of the type ${JSON.stringify(root["_type"])}`);
  }
  const { subject, predicateType, predicate } = root;
  if (typeof predicateType !== "string") {
    throw new SyntaxError("The statement has no predicateType");
  }
  if (!Array.isArray(subject) || subject.length === 0) {
    throw new SyntaxError("The statement has no subject");
  }
  if (subject.length > MAX_SUBJECTS) {
    throw new SyntaxError(
      `The statement has ${subject.length} subjects, at most ${MAX_SUBJECTS} are read`,
    );
  }
  return {
    type: root["_type"] as string,
    subjects: subject.map(parseSubject),
    predicateType,
    predicate,
  };
}

/** Encodes the statement that a v3 image signature is: one subject without a name, the predicate empty. */
export function encodeSignatureStatement(
  digest: Digest,
  annotations: Readonly<Record<string, string>>,
): Uint8Array {
  const named: GoValue =
    Object.keys(annotations).length === 0 ? {} : { annotations: new GoMap(annotations) };
  return encodeGoValueBytes({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) }, ...named }],
    predicateType: SIGN_PREDICATE,
    predicate: {},
  });
}

/** What an attestation says of one thing. */
export interface AttestationContent {
  /** The repository of an image, or the name of a file. */
  readonly name: string;
  /** Hexadecimal digests by the name of their algorithm. */
  readonly digest: Readonly<Record<string, string>>;
  readonly predicateType: string;
  /** JSON as Go writes it; taken as it is, for it may have a hundred megabytes. */
  readonly predicateJson: string;
}

/**
 * Encodes the statement of an attestation, v0.1 in every generation.
 *
 * @param order Of the keys: 1 and 2 write a Go struct, 3 a message of protobuf.
 */
export function encodeAttestationStatement(
  { name, digest, predicateType, predicateJson }: AttestationContent,
  order: "go" | "proto",
): Uint8Array {
  const type = `"_type":"https://in-toto.io/Statement/v0.1"`;
  const predicate = [`"predicate":`, predicateJson] as const;
  const its = `"predicateType":${encodeGoJson(predicateType)}`;
  const subject = `"subject":${encodeGoJson([{ name, digest: sortKeys(digest) }])}`;
  if (order === "go") return utf8Joined(`{${type},${its},${subject},`, ...predicate, "}");
  // A predicate that is a text is no message: 3.1 writes such a statement as a map.
  const isText = predicateJson.startsWith('"');
  return isText
    ? utf8Joined(`{${type},`, ...predicate, `,${its},${subject}}`)
    : utf8Joined(`{${type},${subject},${its},`, ...predicate, "}");
}

function parseSubject(value: unknown): StatementSubject {
  if (!isObject(value)) throw new SyntaxError("A subject of the statement is no object");
  const { name, digest, annotations } = value;
  if (!isObject(digest)) throw new SyntaxError("A subject of the statement has no digest");
  const digests = Object.entries(digest);
  if (digests.length > MAX_DIGESTS) {
    throw new SyntaxError(
      `A subject of the statement has ${digests.length} digests, at most ${MAX_DIGESTS} are read`,
    );
  }
  if (digests.some(([, hex]) => typeof hex !== "string")) {
    throw new SyntaxError("A digest in the statement is no text");
  }
  return {
    name: typeof name === "string" ? name : "",
    digest: digest as Record<string, string>,
    annotations: isObject(annotations) ? annotations : null,
  };
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The statement is not UTF-8", { cause });
  }
}
