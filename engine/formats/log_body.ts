import { parsePem } from "../crypto/pem.ts";
import { parseBase64Either, parseUtf8 } from "../model/bytes.ts";
import { ProtobufMessage } from "./protobuf_json.ts";
import { parseStrictJson } from "./strict_json.ts";

/** What a log's entry says: what was signed, by what signature, checked with what. Parsed, not believed. */
export interface LogBody {
  readonly kind: string;
  readonly version: string;
  readonly subject: /** Bytes, or of version 0.0.2 the PAE of an envelope. */
    | { readonly kind: "message"; readonly hash: LogHash }
    | { readonly kind: "payload"; readonly hash: LogHash };
  /** Of `intoto` 0.0.1 there is only the verifier. */
  readonly signatures: readonly LoggedProof[];
}

/** A hash as an entry names it. */
export interface LogHash {
  readonly algorithm: "sha256" | "sha384" | "sha512";
  readonly value: Uint8Array;
}

/** A signature in an entry. */
export interface LoggedProof {
  /** Raw bytes; absent where the kind has none. */
  readonly signature?: Uint8Array;
  /** What it is checked with: DER of a certificate, or of a SubjectPublicKeyInfo. */
  readonly verifier: { readonly kind: "certificate" | "key"; readonly der: Uint8Array };
}

const MAX_SIGNATURES = 32;
const HASHES: ReadonlyMap<string, LogHash["algorithm"]> = new Map([
  ["sha256", "sha256"],
  ["sha384", "sha384"],
  ["sha512", "sha512"],
  ["SHA2_256", "sha256"],
  ["SHA2_384", "sha384"],
  ["SHA2_512", "sha512"],
]);

/** Reads the canonicalized body of an entry. @throws {SyntaxError} when it is none, or of a kind that is not known. */
export function parseLogBody(bytes: Uint8Array): LogBody {
  const body = new ProtobufMessage(parseStrictJson(textOf(bytes)), "The log entry's body");
  const kind = body.text("kind");
  const version = body.text("apiVersion");
  const spec = body.message("spec");
  const read = READERS[`${kind} ${version}`];
  if (read === undefined || spec === undefined) {
    throw new SyntaxError(
      `The log entry is of the kind ${JSON.stringify(`${kind} ${version}`.slice(0, 80))}, which is not known`,
    );
  }
  return { kind, version, ...read(spec) };
}

type Facts = Pick<LogBody, "subject" | "signatures">;

const READERS: Readonly<Record<string, (spec: ProtobufMessage) => Facts>> = {
  "hashedrekord 0.0.1": readHashedRekord,
  "rekord 0.0.1": readHashedRekord,
  "dsse 0.0.1": (spec) => ({
    subject: { kind: "payload", hash: hexHash(spec.message("payloadHash")) },
    signatures: spec.messages("signatures", MAX_SIGNATURES).map((each) => ({
      signature: each.bytes("signature"),
      verifier: pemVerifier(each.bytes("verifier")),
    })),
  }),
  "intoto 0.0.1": (spec) => ({
    subject: { kind: "payload", hash: hexHash(required(spec, "content").message("payloadHash")) },
    signatures: [{ verifier: pemVerifier(spec.bytes("publicKey")) }],
  }),
  "intoto 0.0.2": (spec) => {
    const content = required(spec, "content");
    return {
      subject: { kind: "payload", hash: hexHash(content.message("payloadHash")) },
      signatures: required(content, "envelope")
        .messages("signatures", MAX_SIGNATURES)
        .map((each) => ({
          signature: parseBase64Either(textOf(each.bytes("sig"))), // encoded twice
          verifier: pemVerifier(each.bytes("publicKey")),
        })),
    };
  },
  "hashedrekord 0.0.2": (spec) => {
    const entry = required(spec, "hashedRekordV002");
    return {
      subject: { kind: "message", hash: namedHash(entry.message("data")) },
      signatures: [readSignature(required(entry, "signature"))],
    };
  },
  "dsse 0.0.2": (spec) => {
    const entry = required(spec, "dsseV002");
    return {
      subject: { kind: "payload", hash: namedHash(entry.message("payloadHash")) },
      signatures: entry.messages("signatures", MAX_SIGNATURES).map(readSignature),
    };
  },
};

function readHashedRekord(spec: ProtobufMessage): Facts {
  const signature = required(spec, "signature");
  return {
    subject: { kind: "message", hash: hexHash(required(spec, "data").message("hash")) },
    signatures: [
      {
        signature: signature.bytes("content"),
        verifier: pemVerifier(required(signature, "publicKey").bytes("content")),
      },
    ],
  };
}

function readSignature(message: ProtobufMessage): LoggedProof {
  const verifier = required(message, "verifier");
  const certificate = verifier.message("x509Certificate")?.bytes("rawBytes");
  const key = verifier.message("publicKey")?.bytes("rawBytes");
  if ((certificate === undefined) === (key === undefined)) {
    throw new SyntaxError("The log entry must name one certificate or one key");
  }
  return {
    signature: message.bytes("content"),
    verifier:
      certificate === undefined
        ? { kind: "key", der: key ?? new Uint8Array() }
        : { kind: "certificate", der: certificate },
  };
}

/** A PEM block: the first, where a chain follows. */
function pemVerifier(bytes: Uint8Array): LoggedProof["verifier"] {
  const { type, bytes: der } = parsePem(textOf(bytes));
  if (type === "CERTIFICATE") return { kind: "certificate", der };
  if (type === "PUBLIC KEY") return { kind: "key", der };
  throw new SyntaxError(`The log entry has a verifier of the type "${type}"`);
}

function hexHash(message: ProtobufMessage | undefined): LogHash {
  const value = message?.text("value") ?? "";
  if (!/^(?:[0-9a-f]{2}){32,64}$/i.test(value)) {
    throw new SyntaxError("The log entry has no hash");
  }
  return { algorithm: algorithmOf(message), value: Uint8Array.fromHex(value) };
}

function namedHash(message: ProtobufMessage | undefined): LogHash {
  return {
    algorithm: algorithmOf(message),
    value: message?.bytes("digest") ?? new Uint8Array(),
  };
}

function algorithmOf(message: ProtobufMessage | undefined): LogHash["algorithm"] {
  const algorithm = HASHES.get(message?.text("algorithm") ?? "");
  if (algorithm !== undefined) return algorithm;
  throw new SyntaxError("The log entry has a hash by an algorithm that is not known");
}

function required(message: ProtobufMessage, name: string): ProtobufMessage {
  const part = message.message(name);
  if (part !== undefined) return part;
  throw new SyntaxError(`The log entry lacks its ${name}`);
}

function textOf(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The log entry is not UTF-8", { cause });
  }
}
