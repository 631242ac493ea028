import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { editHiddenLine } from "../../../engine/io/terminal.ts";
import { utf8 } from "../../../engine/model/bytes.ts";

const CHILD = join(import.meta.dir, "terminal_child.ts");
const ROOT = join(import.meta.dir, "..", "..", "..");
const DENO = [join(ROOT, "node_modules", ".bin", "deno"), "run", "-A"];
const PASSWORD = "Enter password for private key: ";
const AGAIN = "Enter password for private key again: ";
const CONTINUE = "Are you sure you would like to continue? [y/N] ";
// Shows the modes of the terminal after the program has ended; the shell itself outlives Ctrl-C.
const THEN_MODES = 'trap : INT TERM; "$@"; echo "exit $?"; stty -a';
const COOKED = ["icanon", "isig", "echo"];
const LIMIT_MS = 20_000;

interface Step {
  /** Text to wait for. */
  readonly after: string;
  /** What is typed then, or the signal that is sent to the program. */
  readonly type: string | { readonly signal: NodeJS.Signals };
}

/** Runs the child at a new terminal and types; answers all that the terminal showed. */
async function atTerminal(
  runtime: readonly string[],
  args: readonly string[],
  steps: readonly Step[],
): Promise<string> {
  let shown = "";
  let wake = (): void => undefined;
  const child = Bun.spawn(["sh", "-c", THEN_MODES, "sh", ...runtime, CHILD, ...args], {
    cwd: ROOT,
    terminal: {
      cols: 200,
      rows: 50,
      data: (_terminal, bytes) => {
        shown += new TextDecoder().decode(bytes);
        wake();
      },
    },
  });
  const guard = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const shows = async (text: string): Promise<void> => {
    while (!shown.includes(text)) {
      await Promise.race([
        new Promise<void>((resolve) => {
          wake = resolve;
        }),
        child.exited.then(() => {
          if (!shown.includes(text))
            throw new Error(`ended before ${JSON.stringify(text)}: ${shown}`);
        }),
      ]);
    }
  };
  try {
    for (const { after, type } of steps) {
      await shows(after);
      if (typeof type === "string") child.terminal?.write(type);
      else process.kill(Number(/pid (\d+)/.exec(shown)?.[1]), type.signal);
    }
    await child.exited;
    return shown;
  } finally {
    clearTimeout(guard);
    child.terminal?.close();
  }
}

const modes = (shown: string): readonly string[] => shown.split(/[\s;]+/);

describe.each([
  ["Bun", [process.execPath]],
  ["Deno", DENO],
])("promptHidden() under %s", (_name, runtime) => {
  test(
    "asks twice, shows nothing, erases, and leaves the terminal as it was",
    async () => {
      const shown = await atTerminal(
        runtime,
        ["new", "confirm"],
        [
          { after: PASSWORD, type: "geheim\x15pä\x7fö\r" },
          { after: AGAIN, type: "pö\n" },
          { after: CONTINUE, type: "y\n" },
        ],
      );
      expect(shown).toContain('password "pö"');
      expect(shown).toContain("WARNING: File cosign.key already exists. Overwrite?");
      expect(shown).toContain("confirmed");
      expect(shown).not.toContain("geheim");
      expect(shown.split("pö").length).toBe(2); // only where the test's program printed it
      expect(modes(shown)).toEqual(expect.arrayContaining(COOKED));
    },
    LIMIT_MS,
  );

  test(
    "ends at Ctrl-C and leaves the terminal as it was",
    async () => {
      const shown = await atTerminal(runtime, [], [{ after: PASSWORD, type: "half\x03" }]);
      expect(shown).toContain("failed CANCELLED");
      expect(shown).toContain("exit 0");
      expect(modes(shown)).toEqual(expect.arrayContaining(COOKED));
    },
    LIMIT_MS,
  );

  test(
    "leaves the terminal as it was when a signal ends the program",
    async () => {
      const shown = await atTerminal(
        runtime,
        [],
        [{ after: PASSWORD, type: { signal: "SIGTERM" } }],
      );
      expect(shown).toContain("exit 143");
      expect(modes(shown)).toEqual(expect.arrayContaining(COOKED));
    },
    LIMIT_MS,
  );
});

describe.each([
  ["Bun", [process.execPath]],
  ["Deno", DENO],
])("readPassword() without a terminal, under %s", (_name, runtime) => {
  const run = async (stdin: "ignore" | Uint8Array): Promise<string> => {
    const child = Bun.spawn([...runtime, CHILD, "confirm"], { cwd: ROOT, stdin, stderr: "ignore" });
    return await child.stdout.text();
  };

  test(
    "takes all of a pipe; what was taken is no answer to a question",
    async () => {
      expect(await run(utf8("one\ntwo\n"))).toBe(
        'password "one\\ntwo\\n"\nfailed PROMPT_DECLINED\n',
      );
    },
    LIMIT_MS,
  );

  test(
    "refuses /dev/null",
    async () => {
      expect(await run("ignore")).toBe("failed KEY_PASSWORD\n");
    },
    LIMIT_MS,
  );

  test(
    "refuses a pipe that is longer than any password",
    async () => {
      expect(await run(new Uint8Array(100_000).fill(97))).toBe("failed LIMIT_EXCEEDED\n");
    },
    LIMIT_MS,
  );
});

describe("editHiddenLine()", () => {
  const typed = (text: string): readonly [string, string] => {
    const line: number[] = [];
    let state = "more";
    for (const byte of utf8(text)) {
      state = editHiddenLine(line, byte);
      if (state !== "more") break;
    }
    return [state, new TextDecoder().decode(Uint8Array.from(line))];
  };

  test.each([
    ["a line", "secret\r", "done", "secret"],
    ["an empty line", "\r", "done", ""],
    ["the end of input behind text", "secret\x04", "done", "secret"],
    ["the end of input at once", "\x04", "cancelled", ""],
    ["Ctrl-C", "secret\x03", "cancelled", "secret"],
    ["Ctrl-\\", "secret\x1c", "cancelled", "secret"],
    ["Backspace over one byte", "abc\x7f\x08\r", "done", "a"],
    ["Backspace over two, three and four bytes", "aä€😀\x7f\x7f\x7f\r", "done", "a"],
    ["Backspace over nothing", "\x7fa\r", "done", "a"],
    ["Ctrl-U", "abc\x15d\r", "done", "d"],
    ["Ctrl-Z", "ab\x1ac\r", "done", "abc"],
  ])("knows %s", (_what, text, state, line) => {
    expect(typed(text)).toEqual([state, line]);
  });

  test("refuses lines that a terminal would not take", () => {
    expect(() => typed("a".repeat(4097))).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});
