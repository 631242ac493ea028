import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { openUrl } from "../../../engine/io/open_url.ts";

const folder = mkdtempSync(join(tmpdir(), "open-url-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with programs by their names: scripts of a shell. */
function programs(name: string, scripts: Readonly<Record<string, string>>): string {
  const bin = join(folder, name);
  mkdirSync(bin);
  for (const [program, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return [bin, "/usr/bin", "/bin"].join(delimiter);
}
const URL_TEXT = "https://issuer.example/authorize?a=1&b='x'$(id)";

describe.skipIf(process.platform !== "linux")("openUrl()", () => {
  test("gives the URL to xdg-open as it is, as one argument, without our own variables", async () => {
    const seen = join(folder, "seen");
    const PATH = programs("xdg", {
      "xdg-open": `printf '%s\\n' "$#" "$1" "$COSIGN_PASSWORD" > ${seen}`,
    });
    await openUrl(URL_TEXT, { PATH, COSIGN_PASSWORD: "secret" });
    expect(readFileSync(seen, "utf8")).toBe(`1\n${URL_TEXT}\n\n`);
  });

  test("takes the next opener when one fails", async () => {
    const seen = join(folder, "next");
    const PATH = programs("next-bin", {
      "xdg-open": "exit 3",
      "x-www-browser": `printf %s "$1" > ${seen}`,
    });
    await openUrl(URL_TEXT, { PATH });
    expect(readFileSync(seen, "utf8")).toBe(URL_TEXT);
  });

  test("does not wait for an opener that is the browser itself, and leaves it running", async () => {
    const seen = join(folder, "late");
    const PATH = programs("slow", { "xdg-open": `sleep 5; touch ${seen}` });
    await openUrl(URL_TEXT, { PATH });
    expect(existsSync(seen)).toBe(false);
  });

  test("throws FEATURE_UNAVAILABLE where there is no opener, or none that can", async () => {
    const fails = { "xdg-open": "exit 4", "x-www-browser": "exit 4", "www-browser": "exit 4" };
    for (const PATH of ["", ".", programs("fails", fails)]) {
      await expect(openUrl(URL_TEXT, { PATH })).rejects.toMatchObject({
        code: "FEATURE_UNAVAILABLE",
      });
    }
  });

  test.each(["--help", "file:///etc/passwd", "javascript:1", "/bin/sh", ""])(
    "throws TypeError for %s, which is no web page",
    async (text) => {
      await expect(openUrl(text, {})).rejects.toThrow(TypeError);
    },
  );
});
