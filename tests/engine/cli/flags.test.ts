import { describe, expect, test } from "bun:test";
import { COMMANDS, GROUPS } from "../../../engine/cli/commands.ts";
import type { Flag } from "../../../engine/cli/flag.ts";
import { COSIGN_COMMANDS } from "../../support/cosign_flags.ts";

const TYPES: Readonly<Record<string, readonly Flag["type"][]>> = {
  String: ["text", "choice"],
  Bool: ["bool"],
  Int: ["int"],
  Uint: ["int"],
  Duration: ["duration"],
  StringSlice: ["list"],
  StringToString: ["list"],
  StringArray: ["repeated"],
  custom: ["choice", "text"],
};
/** Spellings of 1.4 that are taken for others. */
const RENAMED: Readonly<Record<string, string>> = {
  cert: "certificate",
  "cert-email": "certificate-email",
};
/** cosign says of it in the command itself that it is deprecated. */
const SAID_LATE = "sig-only";

describe("the flags", () => {
  for (const { command, flags } of COSIGN_COMMANDS) {
    if (command !== "" && COMMANDS[command] === undefined) continue;
    const found = command === "" ? COMMANDS["version"] : COMMANDS[command];
    test(`of ${command || "every command"} are those of cosign 1.4, 1.13, 2.6 and 3.1`, () => {
      for (const { name, short, type, deprecated } of flags) {
        const flag = found?.flags[RENAMED[name] ?? name];
        expect({ name, types: TYPES[type] }).toEqual({
          name,
          types: expect.arrayContaining([flag?.type]),
        });
        if (RENAMED[name] !== undefined || name === "timeout" || name === SAID_LATE) continue;
        expect({ name, short: flag?.short }).toEqual({ name, short });
        // What is shared with the policies of 1.x has got old since.
        if (command.startsWith("policy ")) continue;
        expect({ name, deprecated: flag?.deprecated }).toEqual({ name, deprecated });
      }
    });
  }

  test("that cosign has on by default are on", () => {
    const on = ["sign upload", "sign tlog-upload", "verify check-claims"].map((text) => {
      const [command = "", flag = ""] = text.split(" ");
      const found = COMMANDS[command]?.flags[flag];
      return found?.type === "bool" ? found.initial : undefined;
    });
    expect(on).toEqual([true, true, true]);
  });

  test("of one command have one-letter names of their own", () => {
    for (const [words, { flags }] of Object.entries(COMMANDS)) {
      const shorts = Object.values(flags).flatMap(({ short }) => short ?? []);
      expect({ words, shorts }).toEqual({ words, shorts: [...new Set(shorts)] });
      expect(shorts).not.toContain("h");
    }
  });

  test("have names that environment variables can carry", () => {
    for (const { flags } of Object.values(COMMANDS)) {
      for (const name of Object.keys(flags))
        expect(name).toMatch(/^[a-z][A-Za-z0-9]*(-[a-z0-9]+|-PIN)*$/);
    }
  });
});

test("COMMANDS has the group of every command of two words", () => {
  const groups = Object.keys(COMMANDS).flatMap((words) =>
    words.includes(" ") ? [words.split(" ")[0] ?? ""] : [],
  );
  for (const group of groups) expect(GROUPS[group]?.brief).toBeString();
});
