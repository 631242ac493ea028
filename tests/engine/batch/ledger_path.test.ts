import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { defaultLedgerPath } from "../../../engine/batch/ledger_path.ts";
import { CosignError } from "../../../engine/model/errors.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "state-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("defaultLedgerPath()", () => {
  test("is one file per manifest path in the XDG state directory, which is made", () => {
    const path = defaultLedgerPath("/srv/a/release.yaml", { XDG_STATE_HOME: home });
    expect(path).toStartWith(join(home, "cosign-ts", "ledgers", "release.yaml-"));
    expect(path).toEndWith(".sqlite");
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(defaultLedgerPath("/srv/a/release.yaml", { XDG_STATE_HOME: home })).toBe(path);
    expect(defaultLedgerPath("/srv/b/release.yaml", { XDG_STATE_HOME: home })).not.toBe(path);
  });

  test("is below ~/.local/state without XDG_STATE_HOME, or with a relative one", () => {
    for (const env of [{ HOME: home }, { HOME: home, XDG_STATE_HOME: "state" }]) {
      const path = defaultLedgerPath("/m.yaml", env);
      expect(path).toStartWith(join(home, ".local", "state", "cosign-ts", "ledgers"));
    }
  });

  test("makes file names of any manifest", () => {
    const path = defaultLedgerPath("/srv/ü ; rm -rf.yaml", { XDG_STATE_HOME: home });
    expect(path.slice(home.length)).toMatch(/^[A-Za-z0-9._/-]+$/);
  });

  test("names --ledger where there is no place", () => {
    const file = join(home, "file");
    writeFileSync(file, "");
    const codes = [{ HOME: "" }, { XDG_STATE_HOME: file }].map((env) => {
      try {
        return defaultLedgerPath("/m.yaml", env);
      } catch (error) {
        return error instanceof CosignError ? `${error.code} ${error.hint}` : error;
      }
    });
    expect(codes).toEqual(Array(2).fill("LEDGER_UNREADABLE Name a file by --ledger"));
    expect(existsSync(join(home, "cosign-ts"))).toBe(false);
  });
});
