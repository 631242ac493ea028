import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BinaryOptions, buildBinary, runBinary } from "../support/binary.ts";
import { makeDesktop } from "../support/browser.ts";
import { GITHUB_TOKEN, startProviders } from "../support/identity_providers.ts";
import { startIssuer } from "../support/oidc_issuer.ts";
import { requires } from "../support/requires.ts";
import { type Sigstore, startSigstore } from "../support/sigstore_server.ts";

setDefaultTimeout(240_000); // a build, and a browser on a busy machine

const issuer = startIssuer();
const folder = mkdtempSync(join(tmpdir(), "log-in-"));
const [blob, bundle, config] = ["blob", "bundle.json", "config.json"].map((name) =>
  join(folder, name),
);
let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
  const services = JSON.parse(sigstore.signingConfigJson);
  services.oidcUrls[0].url = issuer.url;
  writeFileSync(`${config}`, JSON.stringify(services));
  writeFileSync(`${blob}`, "hello");
  await buildBinary();
});
afterAll(async () => {
  await Promise.all([issuer.close(), sigstore.close()]);
  rmSync(folder, { recursive: true });
});

/** Signs the file without a key, verifies that this identity has, and gives what signing said. */
async function signAs(
  identity: string,
  by: string,
  flags: readonly string[],
  options: BinaryOptions = {},
): Promise<string> {
  const signed = await runBinary(
    [
      ...["sign-blob", "--yes", `--signing-config=${config}`, `--bundle=${bundle}`],
      ...[`--trusted-root=${sigstore.trustedRootPath}`, ...flags, `${blob}`],
    ],
    { timeoutMs: 180_000, ...options },
  );
  expect(signed).toMatchObject({ code: 0 });
  const verified = await runBinary([
    ...["verify-blob", `--bundle=${bundle}`, `--trusted-root=${sigstore.trustedRootPath}`],
    ...[`--certificate-identity=${identity}`, `--certificate-oidc-issuer=${by}`, `${blob}`],
  ]);
  expect(verified).toMatchObject({ code: 0 });
  return signed.stderr;
}

describe("a log-in by a real browser", () => {
  requires("chromium")(
    "comes back to the program from the issuer's page, whatever that page tries meanwhile",
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
      const stderr = await signAs("mail@example.com", issuer.url, ["--fulcio-auth-flow=normal"], {
        env: { PATH: desktop.path },
      });
      expect(stderr).toContain("Your browser will now be opened to:\n");
      expect(await desktop.page()).toContain("You are logged in. You may close this page.");
      expect(issuer.count("/token")).toBe(1);
      issuer.reset();
    },
  );
});

describe("other ways to say who signs", () => {
  test("without a terminal it is a device code, as in cosign", async () => {
    issuer.settings.device.interval = 1;
    const stderr = await signAs("mail@example.com", issuer.url, []);
    expect(stderr).toContain(
      "Non-interactive mode detected, using device flow.\nEnter the verification code WDJB-MJHT in your browser at: ",
    );
  });

  test("a token can come by standard input, and nobody is asked", async () => {
    const token = sigstore.oidcToken({ sub: "https://example.com/me" });
    await signAs("https://example.com/me", sigstore.issuerUrl, ["--identity-token=-"], {
      stdin: `${token}\n`,
    });
  });

  test("a job of GitHub Actions asks GitHub", async () => {
    const providers = startProviders((aud) =>
      sigstore.oidcToken({ aud, sub: "https://github.example/workflow" }),
    );
    await signAs("https://github.example/workflow", sigstore.issuerUrl, [], {
      env: {
        ACTIONS_ID_TOKEN_REQUEST_URL: `${providers.url}/github/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: GITHUB_TOKEN,
      },
    });
    await providers.close();
  });
});
