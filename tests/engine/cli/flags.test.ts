import { describe, expect, test } from "bun:test";
import { COMMANDS, GROUPS } from "../../../engine/cli/commands.ts";
import type { Flag } from "../../../engine/cli/flag.ts";
import cosignFlags from "./cosign_flags.json";

interface CosignFlag {
  readonly name: string;
  readonly short?: string;
  readonly type: string;
  readonly deprecated?: string;
}

const TYPES: Readonly<Record<string, Flag["type"]>> = {
  String: "text",
  Bool: "bool",
  Int: "int",
  Duration: "duration",
  StringSlice: "list",
  custom: "choice",
};
const RENAMED: Readonly<Record<string, string>> = {
  cert: "certificate",
  "cert-email": "certificate-email",
};

describe("the flags", () => {
  for (const [command, flags] of Object.entries<readonly CosignFlag[]>(cosignFlags)) {
    test(`of ${command} are those of cosign 1.4, 1.13, 2.6 and 3.1`, () => {
      const table = COMMANDS[command]?.flags ?? {};
      for (const { name, short, type, deprecated } of flags) {
        const flag = table[RENAMED[name] ?? name];
        expect({ name, type: flag?.type }).toEqual({ name, type: TYPES[type] });
        if (RENAMED[name] !== undefined) continue;
        expect({ name, short: flag?.short }).toEqual({ name, short });
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
        expect(name).toMatch(/^[a-z][A-Za-z0-9]*(-[a-z0-9]+)*$/);
    }
  });
});

test("COMMANDS has the group of every command of two words", () => {
  const groups = Object.keys(COMMANDS).flatMap((words) =>
    words.includes(" ") ? [words.split(" ")[0] ?? ""] : [],
  );
  for (const group of groups) expect(GROUPS[group]).toBeString();
});
