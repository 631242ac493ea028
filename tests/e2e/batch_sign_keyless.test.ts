import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, makeKey, PASSWORD, readVerdicts } from "../support/batch.ts";
import { buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { startIssuer, type TestIssuer } from "../support/oidc_issuer.ts";
import type { TestRegistry } from "../support/registries.ts";
import { countSignatures } from "../support/signatures.ts";
import { type Sigstore, startSigstore } from "../support/sigstore_server.ts";
import { startTap, type Tap } from "../support/tap.ts";
import { pushImages } from "../support/uploads.ts";

const LIMIT_MS = 300_000;
const IMAGES = 200;
const MISSING = `sha256:${"0".repeat(64)}`;
const folder = mkdtempSync(join(tmpdir(), "batch-sign-keyless-"));
let registry: TestRegistry;
let tap: Tap;
let sigstore: Sigstore;
let issuer: TestIssuer;

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
  registry = await startEmbeddedRegistry();
  tap = startTap(registry.host);
  sigstore = await startSigstore();
  issuer = startIssuer();
}, LIMIT_MS);

afterEach(() => {
  sigstore.heal();
  issuer.reset();
  tap.onRequest((request) => request.forward());
});

afterAll(async () => {
  await issuer.close();
  await sigstore.close();
  await tap.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A batch, with the services of the test and somebody who logs in on another device. */
class Run {
  readonly #name: string;
  readonly #flags: readonly string[];
  readonly #op: "sign" | "verify";

  constructor(op: "sign" | "verify", name: string, manifest: object, flags: readonly string[]) {
    this.#op = op;
    this.#name = name;
    this.#flags = flags;
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ version: 1, ...manifest }));
  }

  async start(...more: readonly string[]) {
    const report = join(folder, `${this.#name}.jsonl`);
    const result = await runBinary(
      ["batch", this.#op, `${this.#name}.json`, "--ledger", `${this.#name}.db`, "--report", report]
        .concat(["--trusted-root", sigstore.trustedRootPath])
        .concat(this.#flags, more),
      { cwd: folder, env: { COSIGN_PASSWORD: PASSWORD }, timeoutMs: LIMIT_MS },
    );
    if (!existsSync(report)) throw new Error(`No report\n${result.stderr}`);
    return { ...result, verdicts: readVerdicts(report) };
  }
}

const services = () => ["--signing-config", sigstore.signingConfigPath, "--yes"];
/** A signing config and another issuer exclude each other, as in cosign: all are named by themselves. */
const byDevice = () => [
  ...["--fulcio-url", sigstore.fulcioUrl, "--rekor-url", sigstore.rekorUrl],
  ...["--oidc-issuer", issuer.url, "--yes"],
];

const outcomes = (verdicts: readonly { readonly outcome: string }[]) => {
  const counted: Record<string, number> = {};
  for (const { outcome } of verdicts) counted[outcome] = (counted[outcome] ?? 0) + 1;
  return counted;
};

const counts = async (targets: readonly string[]) =>
  await Promise.all(targets.map((each) => countSignatures(registry.host, each, "bundle")));

const POLICIES = () => ({
  release: { identities: [{ issuer: issuer.url, subject: "mail@example.com" }] },
});

describe("batch sign with certificates", () => {
  test(
    "signs 200 images after one log-in with one certificate; one that fails keeps no other from it",
    async () => {
      const targets = await pushImages(tap.host, "keyless/many", IMAGES);
      const missing = `${tap.host}/keyless/many@${MISSING}`;
      const manifest = { defaults: { key: "keyless" }, targets: [...targets, missing] };
      const certificates = sigstore.count("fulcio");
      const entries = sigstore.count("rekor", "/api/v1/log/entries");
      issuer.settings.device.interval = 1;

      const run = new Run("sign", "many", manifest, byDevice());
      const signed = await run.start();
      expectCode(signed, 12);
      expect(outcomes(signed.verdicts)).toEqual({ passed: IMAGES, failed: 1 });
      expect(signed.verdicts.find(({ outcome }) => outcome === "failed")).toMatchObject({
        target: missing,
        reason: { code: "IMAGE_NOT_FOUND" },
      });
      expect(issuer.count("/device/code")).toBe(1);
      expect(issuer.count("/token")).toBe(1);
      expect(sigstore.count("fulcio") - certificates).toBe(1);
      expect(sigstore.count("rekor", "/api/v1/log/entries") - entries).toBe(IMAGES);
      expect(await counts(targets)).toEqual(targets.map(() => 1));

      const policies = POLICIES();
      const verify = { defaults: { policy: "release" }, policies, targets };
      const verified = await new Run("verify", "many-verify", verify, []).start();
      expectCode(verified, 0);
      expect(outcomes(verified.verdicts)).toEqual({ passed: IMAGES });

      // Another run of the same person: what he has signed is there, and nothing is signed again.
      const again = await new Run("sign", "again", { ...manifest, targets }, [
        ...byDevice(),
        "--skip-signed",
      ]).start();
      expect(outcomes(again.verdicts)).toEqual({ passed: IMAGES });
      expect(sigstore.count("rekor", "/api/v1/log/entries") - entries).toBe(IMAGES);

      // For somebody else it is not there.
      issuer.settings.claims = { email: "other@example.com" };
      const [one = ""] = targets;
      const other = await new Run("sign", "other", { ...manifest, targets: [one] }, [
        ...byDevice(),
        "--skip-signed",
      ]).start();
      expect(outcomes(other.verdicts)).toEqual({ passed: 1 });
      expect(await counts([one])).toEqual([2]);
    },
    LIMIT_MS,
  );

  test(
    "stops with IDENTITY_EXPIRED when only a person could log in again, and goes on with --resume",
    async () => {
      const targets = await pushImages(tap.host, "keyless/expiring", IMAGES);
      issuer.settings.device.interval = 1;
      issuer.settings.tokenLife = 20;
      sigstore.settings.certificateMinutes = 10 / 60;
      let attached = 0;
      let overAtMs: number | undefined;
      tap.onRequest(async (request) => {
        const writes = request.method === "PUT" && request.path.includes("/manifests/");
        if (writes) attached += 1;
        if (attached >= 20) {
          // What comes now waits until token and certificate are over.
          overAtMs ??= Date.now() + (20 + 10) * 1000;
          await Bun.sleep(Math.max(0, overAtMs - Date.now()));
        }
        return await request.forward();
      });
      const run = new Run("sign", "expiring", { defaults: { key: "keyless" }, targets }, [
        ...byDevice(),
        "--workers=2",
        "--concurrency=4",
      ]);
      const stopped = await run.start();
      expectCode(stopped, 20);
      expect(stopped.stderr).toContain("IDENTITY_EXPIRED: ");
      expect(stopped.stderr).toContain(
        "; it is not complete\nGo on with the same flags and --resume",
      );
      const { passed = 0, error = 0 } = outcomes(stopped.verdicts);
      expect(passed).toBeGreaterThanOrEqual(20);
      expect(stopped.verdicts.length).toBeLessThan(IMAGES);
      const codes = stopped.verdicts.flatMap(({ reason }) => reason?.code ?? []);
      expect(new Set(codes)).toEqual(new Set(["IDENTITY_EXPIRED"]));
      expect(codes.length).toBe(error);
      // Nobody was asked again, and no certificate with a token that is over.
      expect(issuer.count("/device/code")).toBe(1);

      sigstore.settings.certificateMinutes = 10;
      tap.onRequest((request) => request.forward());
      issuer.reset();
      issuer.settings.device.interval = 1;
      const resumed = await run.start("--resume");
      expectCode(resumed, 0);
      expect(outcomes(resumed.verdicts)).toEqual({ passed: IMAGES });
      expect(await counts(targets)).toEqual(targets.map(() => 1));
    },
    LIMIT_MS,
  );

  test(
    "asks for a refresh token where the issuer has them, and renews its tokens by it, without a person",
    async () => {
      const targets = await pushImages(tap.host, "keyless/renewed", 24);
      Object.assign(issuer.settings, {
        metadata: { scopes_supported: ["openid", "email", "offline_access"] },
        refreshTokens: true,
        tokenLife: 12,
      });
      issuer.settings.device.interval = 1;
      sigstore.settings.certificateMinutes = 8 / 60;
      const before = issuer.count("/device/code");
      let attached = 0;
      let overAtMs: number | undefined;
      tap.onRequest(async (request) => {
        if (request.method === "PUT" && request.path.includes("/manifests/")) attached += 1;
        if (attached >= 4) {
          overAtMs ??= Date.now() + 14_000;
          await Bun.sleep(Math.max(0, overAtMs - Date.now()));
        }
        return await request.forward();
      });
      const run = new Run("sign", "renewed", { defaults: { key: "keyless" }, targets }, [
        ...byDevice(),
        "--workers=1",
        "--concurrency=2",
      ]);
      const signed = await run.start();
      expectCode(signed, 0);
      expect(outcomes(signed.verdicts)).toEqual({ passed: targets.length });
      expect(issuer.count("/device/code") - before).toBe(1);
      const asked = issuer.requests.findLast(({ path }) => path === "/device/code");
      expect(asked?.parameters["scope"]).toBe("openid email offline_access");
      const grants = issuer.requests.map(({ parameters }) => parameters["grant_type"]);
      expect(grants).toContain("refresh_token");
    },
    LIMIT_MS,
  );
});

describe("batch sign with a key", () => {
  test(
    "brings signatures to the log and gets timestamps, as the manifest says for each target",
    async () => {
      const [logged = "", stamped = "", bare = ""] = await pushImages(tap.host, "keys/log", 3);
      const key = "cosign.key";
      const targets = [
        { reference: logged, transparency: { upload: true, rekor: sigstore.rekorUrl } },
        { reference: stamped, transparency: { upload: false, timestamp: sigstore.tsaUrl } },
        { reference: bare, transparency: "none" },
      ];
      const run = new Run("sign", "keys", { defaults: { key }, targets }, services());
      const signed = await run.start();
      expectCode(signed, 0);
      const required = (require: object) => ({
        release: { keys: ["cosign.pub"], transparency: require },
      });
      const verify = async (name: string, target: string, policies: object) => {
        const manifest = { defaults: { policy: "release" }, policies, targets: [target] };
        return outcomes((await new Run("verify", name, manifest, []).start()).verdicts);
      };
      const log = required({ require: "log" });
      const stamps = required({ require: "timestamp" });
      expect(await verify("v1", logged, log)).toEqual({ passed: 1 });
      expect(await verify("v2", stamped, log)).toEqual({ failed: 1 });
      expect(await verify("v3", stamped, stamps)).toEqual({ passed: 1 });
      expect(await verify("v4", bare, stamps)).toEqual({ failed: 1 });
    },
    LIMIT_MS,
  );

  test(
    "attaches nothing that the log has refused, and goes on with the others",
    async () => {
      const targets = await pushImages(tap.host, "keys/refused", 10);
      sigstore.fail("rekorV2", { kind: "status", status: 400, body: "no" }, 1);
      const manifest = { defaults: { key: "cosign.key" }, targets };
      const run = new Run("sign", "refused", manifest, services());
      const { verdicts } = await run.start();
      expect(outcomes(verdicts)).toEqual({ passed: 9, error: 1 });
      const refused = verdicts.find(({ outcome }) => outcome === "error");
      expect(refused?.reason?.code).toBe("LOG_REFUSED");
      expect(await counts([refused?.target ?? ""])).toEqual([0]);
      expect(outcomes((await run.start("--resume")).verdicts)).toEqual({ passed: 10 });
      expect(await counts(targets)).toEqual(targets.map(() => 1));
    },
    LIMIT_MS,
  );
});
