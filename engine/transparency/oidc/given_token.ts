import { readFileBytes } from "../../io/files.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { CosignError, hasCode } from "../../model/errors.ts";
import { type IdentityToken, looksLikeToken, parseIdentityToken } from "../identity_token.ts";
import type { FullContext } from "./options.ts";

const MAX_FILE_BYTES = 65_536; // four times what a token may have

/**
 * The token of `--identity-token`: itself, in a file, or on standard input (`-`). A file is read anew
 * each time, since whoever wrote it may renew it.
 *
 * @throws {CosignError} `USAGE` when standard input holds something else.
 */
export function givenToken(text: string, context: FullContext): () => Promise<IdentityToken> {
  if (text !== "-") return async () => parseIdentityToken(await readGiven(text));
  if (context.stdinIsTaken === true) {
    throw new CosignError("USAGE", "Cannot read both a list and a token from standard input", {
      hint: "Give the token in a file: --identity-token FILE",
    });
  }
  let read: Promise<Uint8Array> | undefined;
  return async () => {
    read ??= context.person.readStdin(MAX_FILE_BYTES);
    return parseIdentityToken(textOf(await read));
  };
}

async function readGiven(text: string): Promise<string> {
  if (looksLikeToken(text)) return text;
  try {
    return textOf(await readFileBytes(text, MAX_FILE_BYTES));
  } catch (error) {
    if (!hasCode(error, "FILE_READ")) throw error;
    // A token that somebody has cut off or quoted is no token, and must not be shown as a file's name.
    throw new CosignError(
      "FILE_READ",
      "Cannot use the identity token: it is neither a token nor a file that can be read",
      {
        hint: "Give --identity-token the token (three parts with dots), a file, or - for standard input",
      },
    );
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch {
    throw new CosignError("IDENTITY_TOKEN_INVALID", "Cannot use the identity token: it is no text");
  }
}
