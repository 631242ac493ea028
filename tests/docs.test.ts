import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MADE_FOLDERS, makeDocs } from "../.ci/docs/docs.ts";
import { IGNORED, INSTEAD } from "../.ci/docs/remarks.ts";
import { COMMANDS } from "../engine/cli/commands.ts";
import { COSIGN_COMMANDS } from "./support/cosign_flags.ts";

const root = dirname(import.meta.dir);
const docs = makeDocs();

describe("npm run docs", () => {
  test("was run since the command line changed", () => {
    const stale = [...docs].filter(
      ([path, text]) =>
        !existsSync(join(root, path)) || readFileSync(join(root, path), "utf8") !== text,
    );
    expect(stale.map(([path]) => path)).toEqual([]);
  });

  test("leaves nothing behind of commands that are no more", () => {
    const found = MADE_FOLDERS.flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
    );
    expect(found.filter((path) => !docs.has(path))).toEqual([]);
  });

  test("makes manual pages whose lines roff does not take for requests", () => {
    const requests = /^\.(?:TH|SH|TP|B|BR)\b|^\.\\"/;
    for (const [path, text] of docs) {
      if (!path.endsWith(".1")) continue;
      const wrong = text.split("\n").filter((line) => /^[.']/.test(line) && !requests.test(line));
      expect({ path, wrong }).toEqual({ path, wrong: [] });
    }
  });
});

describe("docs/compatibility.md", () => {
  const text = docs.get("docs/compatibility.md") ?? "";
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );

  test("has a section for every command of cosign, and the parser knows each", () => {
    const commands = COSIGN_COMMANDS.map(({ command }) => command).filter((name) => name !== "");
    expect(commands.filter((name) => !sections.has(name))).toEqual([]);
    expect(commands.filter((name) => COMMANDS[name] === undefined)).toEqual([]);
  });

  test("has a row for every flag of cosign, with something in each generation that has it", () => {
    for (const { command, flags } of COSIGN_COMMANDS) {
      const section = sections.get(command || "Flags of every command") ?? "";
      for (const { name, presence } of flags) {
        const row = section.split("\n").find((line) => line.startsWith(`| \`--${name}\` |`)) ?? "";
        const cells = row.split(" | ").slice(1, 5);
        const said = cells.map((cell) => (cell === "–" ? "-" : "x")).join("");
        expect({ command, name, said }).toEqual({
          command,
          name,
          said: presence.replaceAll(/[yDH]/g, "x"),
        });
        expect(row).not.toContain("unknown");
      }
    }
  });

  test("says why of every flag that is ignored, and what instead of every one that is refused", () => {
    const silent = Object.entries(COMMANDS).flatMap(([words, command]) =>
      command.refused !== undefined
        ? []
        : Object.entries(command.flags).flatMap(([name, { support }]) => {
            const said = support === "accepted" ? IGNORED[name] : INSTEAD[name];
            return support !== undefined && said === undefined ? [`${words} --${name}`] : [];
          }),
    );
    expect(silent).toEqual([]);
  });
});
