import { equalBytes, parseBase64, utf8 } from "../model/bytes.ts";

/** The head of a log's tree as the log has signed it (c2sp.org/tlog-checkpoint). Parsed, not believed. */
export interface Checkpoint {
  readonly origin: string;
  readonly treeSize: number;
  /** 32 raw bytes. */
  readonly rootHash: Uint8Array;
  /** The bytes that are signed. */
  readonly signed: Uint8Array;
  readonly signatures: readonly NoteSignature[];
}

/** A signature of a note (c2sp.org/signed-note). */
export interface NoteSignature {
  readonly name: string;
  /** The first four bytes of the key's id. */
  readonly keyHint: Uint8Array;
  readonly signature: Uint8Array;
}

const MAX_NOTE_CHARACTERS = 65_536; // with a hundred witnesses
const MAX_SIGNATURES = 100;
const HINT_BYTES = 4;
const HASH_BYTES = 32;
const SIGNATURE_LINE = /^\u2014 (?<name>[^\s+]{1,255}) (?<content>[A-Za-z0-9+/]{8,}={0,2})$/;

/** Reads a checkpoint. @throws {SyntaxError} when it is none. */
export function parseCheckpoint(note: string): Checkpoint {
  if (note.length > MAX_NOTE_CHARACTERS) throw new SyntaxError("the checkpoint is too long");
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) {
    throw new SyntaxError("the checkpoint is no signed note: it has no signatures");
  }
  const text = note.slice(0, end + 1);
  const [origin = "", size = "", root = ""] = text.split("\n");
  if (origin === "" || !/^(?:0|[1-9]\d{0,15})$/.test(size)) {
    throw new SyntaxError("the checkpoint has no origin or no size of the tree");
  }
  const rootHash = parseBase64(root);
  if (rootHash.length !== HASH_BYTES) throw new SyntaxError("the checkpoint has no root hash");
  const treeSize = Number(size);
  if (!Number.isSafeInteger(treeSize)) throw new SyntaxError("the checkpoint's tree is too large");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES)
    throw new SyntaxError("the checkpoint has too many signatures");
  return { origin, treeSize, rootHash, signed: utf8(text), signatures: lines.map(parseSignature) };
}

/**
 * The signatures that may be those of the log with a key: under its name, with the first bytes of its id.
 *
 * @param keyId Its first four bytes are compared.
 */
export function signaturesBy(checkpoint: Checkpoint, keyId: Uint8Array): readonly NoteSignature[] {
  const hint = keyId.subarray(0, HINT_BYTES);
  const { origin, signatures } = checkpoint;
  // A shard of Rekor v1 is called "rekor.example - 123", and signs as "rekor.example".
  const isName = (name: string) => name === origin || origin.startsWith(`${name} - `);
  return signatures.filter(({ name, keyHint }) => equalBytes(keyHint, hint) && isName(name));
}

function parseSignature(line: string): NoteSignature {
  const { name, content } = SIGNATURE_LINE.exec(line)?.groups ?? {};
  if (name === undefined || content === undefined) {
    throw new SyntaxError("the checkpoint has a line that is no signature");
  }
  const bytes = parseBase64(content);
  if (bytes.length <= HINT_BYTES) throw new SyntaxError("the checkpoint has an empty signature");
  return {
    name,
    keyHint: bytes.subarray(0, HINT_BYTES),
    signature: bytes.subarray(HINT_BYTES),
  };
}
