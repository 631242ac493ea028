import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { countSignatures } from "../../../support/signatures.ts";
import {
  type Sigstore,
  type SigstoreFault,
  startSigstore,
} from "../../../support/sigstore_server.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(120_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "" };
const HOUR_MS = 3_600_000;
const dir = mkdtempSync(join(tmpdir(), "cli-faults-"));
const at = (name: string) => join(dir, name);
let sigstore: Sigstore;
let registry: TestRegistry;
let images = 0;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  sigstore = await startSigstore();
  expect((await cli(["generate-key-pair", "--output-key-prefix", at("k")], PASSWORD)).code).toBe(0);
});

afterEach(async () => {
  // Every test has services of its own: what one spoils, no other sees.
  await sigstore.close();
  sigstore = await startSigstore();
});

afterAll(async () => {
  await registry.close();
  await sigstore.close();
  rmSync(dir, { recursive: true });
});

const byKey = () => ["--key", at("k.key")];
const byCertificate = () => ["--identity-token", sigstore.oidcToken()];
const trust = () => ["--trusted-root", sigstore.trustedRootPath];
const tiled = () => ["--signing-config", sigstore.signingConfigPath, ...trust()];
const first = () => ["--signing-config", sigstore.signingConfigV1Path, ...trust()];

/** Signs a new image; answers the code of the error, and how many signatures lie there then. */
async function signNew(...flags: readonly string[]) {
  const repository = `faults/${++images}`;
  const digest = await pushImage(registry.host, repository, "1", `image ${images}`);
  const image = `${registry.host}/${repository}@${digest}`;
  const { code, stderr } = await cli(["sign", ...flags, image], PASSWORD);
  const reason = code === 0 ? "signed" : (/^code: (.*)$/m.exec(stderr)?.[1] ?? stderr);
  const bundles = await countSignatures(registry.host, image, "bundle");
  const legacy = await countSignatures(registry.host, image, "legacy");
  return { image, stderr, outcome: [reason, bundles + legacy] as const };
}

/** The root without some of those who are trusted. */
function rootWithout(name: string): string {
  const root = { ...JSON.parse(sigstore.trustedRootJson), [name]: [] };
  writeFileSync(at("root.json"), JSON.stringify(root));
  return at("root.json");
}

const status = (code: number, more: object = {}): SigstoreFault => ({
  kind: "status",
  status: code,
  retryAfter: "0",
  ...more,
});

describe("what passes is tried again", () => {
  test("a log and an authority that are busy, and a log whose answer is lost", async () => {
    for (const [flags, log, path] of [
      [first(), "rekor", "/api/v1/log/entries"],
      [tiled(), "rekorV2", "/api/v2/log/entries"],
    ] as const) {
      for (const fault of [status(429), status(503), { kind: "lost" } as const]) {
        const before = sigstore.count(log, path);
        sigstore.fail(log, fault, 1);
        sigstore.fail("tsa", status(503), 1);
        sigstore.fail("fulcio", status(429), 1);
        const { outcome, image } = await signNew(...flags, ...byCertificate());
        expect(outcome).toEqual(["signed", 1]);
        expect(sigstore.count(log, path) - before).toBe(2);
        const who = ["--certificate-identity=mail@example.com"];
        who.push(`--certificate-oidc-issuer=${sigstore.issuerUrl}`);
        const verified = await cli(["verify", ...trust(), ...who, image]);
        expect(verified.code).toBe(0);
      }
    }
  });

  test("a certificate that has ended on the way is renewed, and the signature made anew", async () => {
    sigstore.settings.notBefore = new Date(Date.now() - HOUR_MS);
    sigstore.fail("fulcio", {
      kind: "answer",
      change: (answer) => {
        sigstore.settings.notBefore = undefined; // the clocks agree again
        return answer;
      },
    });
    const { outcome } = await signNew(...tiled(), ...byCertificate());
    expect(outcome).toEqual(["signed", 1]);
    expect(sigstore.count("fulcio")).toBe(2);
  });

  test("a certificate that has ended each time is refused", async () => {
    sigstore.settings.notBefore = new Date(Date.now() - HOUR_MS);
    const { outcome } = await signNew(...tiled(), ...byCertificate());
    expect(outcome).toEqual(["CERTIFICATE_INVALID", 0]);
    expect(sigstore.count("fulcio")).toBe(2);
  });
});

describe("nothing is attached", () => {
  const logged = () => sigstore.count("rekorV2") + sigstore.count("rekor");

  test("that a log has refused", async () => {
    sigstore.fail("rekorV2", status(400, { body: "no" }));
    sigstore.fail("rekor", status(400, { body: "no" }));
    for (const flags of [tiled(), first()]) {
      for (const signer of [byKey(), byCertificate()]) {
        expect((await signNew(...flags, ...signer)).outcome).toEqual(["LOG_REFUSED", 0]);
      }
    }
  });

  test("that an authority has refused, or stamped otherwise than asked; and no log hears of it", async () => {
    const { settings } = sigstore;
    for (const [timestamp, code] of [
      [{ status: 2 }, "TIMESTAMP_REFUSED"],
      [{ nonce: Uint8Array.of(1, 2, 3) }, "SERVICE_PROTOCOL"],
      [{ withoutNonce: true }, "SERVICE_PROTOCOL"],
      [{ imprint: new Uint8Array(32) }, "SERVICE_PROTOCOL"],
    ] as const) {
      settings.timestamp = timestamp;
      expect((await signNew(...tiled(), ...byKey())).outcome).toEqual([code, 0]);
    }
    expect(logged()).toBe(0);
  });

  test("with a certificate that is not what was asked for, or not vouched for; and no log hears of it", async () => {
    const { settings } = sigstore;
    settings.foreignKey = true;
    const foreign = await signNew(...tiled(), ...byCertificate());
    expect(foreign.outcome).toEqual(["SERVICE_PROTOCOL", 0]);
    settings.foreignKey = false;
    for (const [sct, code] of [
      ["foreign", "SCT_INVALID"],
      ["none", "SCT_MISSING"],
    ] as const) {
      settings.sct = sct;
      expect((await signNew(...tiled(), ...byCertificate())).outcome).toEqual([code, 0]);
    }
    settings.sct = "embedded";
    const other = ["--trusted-root", rootWithout("certificateAuthorities")];
    const unknown = await signNew(...tiled().slice(0, 2), ...other, ...byCertificate());
    expect(unknown.outcome[1]).toBe(0);
    expect(logged() + sigstore.count("tsa")).toBe(0);
  });

  test("when the token is over", async () => {
    const over = sigstore.oidcToken({ exp: Math.floor(Date.now() / 1000) - 60 });
    const { outcome } = await signNew(...tiled(), "--identity-token", over);
    expect(outcome).toEqual(["IDENTITY_EXPIRED", 0]);
    expect(sigstore.requests).toEqual([]);
  });

  test("from a log or an authority that nobody trusts, unless --insecure-skip-verify says so", async () => {
    const flags = ["--signing-config", sigstore.signingConfigPath];
    const { trustedRootJson } = sigstore;
    const stranger = await startSigstore();
    try {
      const root = JSON.parse(trustedRootJson);
      const others = JSON.parse(stranger.trustedRootJson);
      for (const [name, code] of [
        ["tlogs", "LOG_UNTRUSTED"],
        ["timestampAuthorities", "TIMESTAMP_UNTRUSTED"],
      ] as const) {
        writeFileSync(at("other.json"), JSON.stringify({ ...root, [name]: others[name] }));
        const doubtful = [...flags, "--trusted-root", at("other.json"), ...byKey()];
        expect((await signNew(...doubtful)).outcome).toEqual([code, 0]);
        const forced = await signNew(...doubtful, "--insecure-skip-verify");
        expect(forced.outcome).toEqual(["signed", 1]);
        const verify = ["verify", ...trust(), "--key", at("k.pub"), forced.image];
        expect((await cli(verify)).code).toBe(0);
      }
    } finally {
      await stranger.close();
    }
  });
});

describe("what cannot be is refused before anybody is asked", () => {
  test("the old format in a log of v2, and short certificates without a time", async () => {
    const legacy = await signNew(...tiled(), ...byKey(), "--new-bundle-format=false");
    expect(legacy.outcome).toEqual(["USAGE", 0]);
    const config = { ...JSON.parse(sigstore.signingConfigJson), tsaUrls: [] };
    delete config.tsaConfig;
    writeFileSync(at("untimed.json"), JSON.stringify(config));
    const untimed = ["--signing-config", at("untimed.json"), ...trust()];
    const timeless = await signNew(...untimed, ...byCertificate());
    expect(timeless.outcome).toEqual(["SIGNING_CONFIG_INVALID", 0]);
    expect(sigstore.requests).toEqual([]);
    expect((await signNew(...untimed, ...byKey())).outcome).toEqual(["signed", 1]);
  });

  test("nobody at all where a key signs without a log", async () => {
    const { outcome } = await signNew(...byKey(), "--tlog-upload=false");
    expect(outcome).toEqual(["signed", 1]);
    expect(sigstore.requests).toEqual([]);
  });

  test("a client's certificate without its key", async () => {
    writeFileSync(at("tsa-client.pem"), readFileSync(at("k.pub")));
    const { outcome } = await signNew(
      ...byKey(),
      ...["--timestamp-server-url", sigstore.tsaUrl, "--tlog-upload=false", ...trust()],
      ...["--timestamp-client-cert", at("tsa-client.pem")],
    );
    expect(outcome).toEqual(["USAGE", 0]);
  });
});
