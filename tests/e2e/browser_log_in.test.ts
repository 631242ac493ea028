import { afterAll, describe, expect, setDefaultTimeout } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scrubbedEnvironment } from "../support/binary.ts";
import { makeDesktop } from "../support/browser.ts";
import { startIssuer } from "../support/oidc_issuer.ts";
import { requires } from "../support/requires.ts";

setDefaultTimeout(240_000); // a browser on a busy machine

const issuer = startIssuer();
const home = mkdtempSync(join(tmpdir(), "browser-home-"));
afterAll(async () => {
  await issuer.close();
  rmSync(home, { recursive: true });
});

describe("a log-in by a real browser", () => {
  requires("chromium")(
    "comes back to us from the issuer's page, whatever that page tries meanwhile",
    async () => {
      using desktop = makeDesktop();
      // A page that somebody must agree on, by its own script. Before, it calls at our port like any page can.
      issuer.settings.instead = ({ path, parameters }) => {
        if (path !== "/authorize" || parameters["agreed"] === "1") return undefined;
        const { redirect_uri = "" } = parameters;
        const inputs = Object.entries({ ...parameters, agreed: "1" })
          .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
          .join("");
        const evil = `${redirect_uri}?code=evil&state=guess`;
        return new Response(
          `<!doctype html><title>issuer</title><form action="/authorize">${inputs}<button>Agree</button></form>
        <script>const image = new Image();
        image.onerror = () => document.forms[0].submit();
        image.src = ${JSON.stringify(evil)};</script>`,
          { headers: { "content-type": "text/html" } },
        );
      };
      const child = Bun.spawn(
        [process.execPath, join(import.meta.dir, "../support/log_in_child.ts"), issuer.url],
        {
          env: { ...scrubbedEnvironment(home), PATH: desktop.path },
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(stderr).toStartWith("Your browser will now be opened to:\n");
      expect([stdout, await child.exited]).toEqual(["mail@example.com\n", 0]);
      expect(await desktop.page()).toContain("You are logged in. You may close this page.");
      expect(issuer.count("/token")).toBe(1);
    },
  );
});
