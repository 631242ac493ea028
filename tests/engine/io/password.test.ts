import { describe, expect, test } from "bun:test";
import { confirm, type PasswordConsole, readPassword } from "../../../engine/io/password.ts";
import { utf8 } from "../../../engine/model/bytes.ts";

/** A console with answers that were prepared; what it was asked and told is in `said`. */
function prepared(answers: {
  readonly stdin?: "terminal" | "stream" | "nothing";
  readonly hidden?: readonly string[];
  readonly line?: string | undefined;
  readonly piped?: string;
}): PasswordConsole & { readonly said: string[] } {
  const said: string[] = [];
  const hidden = [...(answers.hidden ?? [])];
  return {
    said,
    stdinKind: () => answers.stdin ?? "terminal",
    promptHidden: (question) => {
      said.push(question);
      return Promise.resolve(utf8(hidden.shift() ?? ""));
    },
    promptLine: (question) => {
      said.push(question);
      return Promise.resolve(answers.line);
    },
    readStdin: () => Promise.resolve(utf8(answers.piped ?? "")),
    tell: (text) => {
      said.push(text);
    },
  };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const withCode = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe("readPassword()", () => {
  test.each(["secret", "", "pässword", " spaces "])(
    "takes COSIGN_PASSWORD before anything else, whatever it is: %p",
    async (password) => {
      const console = prepared({ stdin: "stream", piped: "other" });
      const read = await readPassword({ env: { COSIGN_PASSWORD: password }, isNew: true, console });
      expect([text(read), console.said]).toEqual([password, []]);
    },
  );

  test("asks at the terminal in cosign's words", async () => {
    const console = prepared({ hidden: ["secret"] });
    expect(text(await readPassword({ env: {}, console }))).toBe("secret");
    expect(console.said).toEqual(["Enter password for private key: "]);
  });

  test("asks twice for a new key", async () => {
    const console = prepared({ hidden: ["secret", "secret"] });
    expect(text(await readPassword({ env: {}, isNew: true, console }))).toBe("secret");
    expect(console.said).toEqual([
      "Enter password for private key: ",
      "Enter password for private key again: ",
    ]);
  });

  test("refuses two answers that differ, in cosign's words", async () => {
    const console = prepared({ hidden: ["secret", "Secret"] });
    expect(await thrown(readPassword({ env: {}, isNew: true, console }))).toEqual(
      withCode("KEY_PASSWORD", "passwords do not match"),
    );
  });

  test("takes all of a pipe as it is, its line break included", async () => {
    const console = prepared({ stdin: "stream", piped: "secret\n" });
    expect(text(await readPassword({ env: {}, isNew: true, console }))).toBe("secret\n");
    expect(console.said).toEqual([]);
  });

  test("makes no password of nothing", async () => {
    const console = prepared({ stdin: "nothing" });
    const error = await thrown(readPassword({ env: {}, isNew: true, console }));
    expect(error).toEqual(withCode("KEY_PASSWORD", "neither a terminal nor a pipe"));
    expect(error).toHaveProperty("hint", expect.stringContaining("COSIGN_PASSWORD"));
  });

  test("leaves standard input alone when it holds something else", async () => {
    const console = prepared({ stdin: "stream", piped: "an image", hidden: ["secret"] });
    const read = await readPassword({ env: {}, stdinIsTaken: true, console });
    expect(text(read)).toBe("secret");
  });
});

describe("confirm()", () => {
  test.each(["y", "Y"])("goes on after %p", async (line) => {
    const console = prepared({ line });
    await confirm("File cosign.key already exists. Overwrite?", console);
    expect(console.said).toEqual([
      "WARNING: File cosign.key already exists. Overwrite?\n",
      "Are you sure you would like to continue? [y/N] ",
    ]);
  });

  test.each([undefined, "", "n", "N"])("takes %p for a no", async (line) => {
    expect(await thrown(confirm("?", prepared({ line })))).toEqual(
      withCode("PROMPT_DECLINED", "user declined the prompt"),
    );
  });

  test.each(["yes", "no", "yy"])("takes nothing else for a yes: %p", async (line) => {
    expect(await thrown(confirm("?", prepared({ line })))).toEqual(
      withCode("PROMPT_DECLINED", `invalid input "${line}" (allowed values y, n)`),
    );
  });
});

async function thrown(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("no error was thrown");
}
