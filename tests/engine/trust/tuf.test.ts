import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CosignError } from "../../../engine/model/errors.ts";
import { openSigstore, openTrustedRoot } from "../../../engine/trust/open.ts";
import { openSigstoreConfig } from "../../../engine/trust/open_signing_config.ts";
import { openTuf } from "../../../engine/trust/tuf.ts";
import { mirrorFolder } from "../../../engine/trust/tuf_place.ts";
import { TestTufRepository } from "../../support/tuf_repository.ts";
import { readVectorText } from "../../support/vectors.ts";

const ROOT = readVectorText("trust/trusted-root.json", "keyless");
const CONFIG = readVectorText("trust/signing-config.json", "keyless");
const TARGETS = {
  "trusted_root.json": { content: ROOT },
  "signing_config.v0.2.json": { content: CONFIG },
};
/** Nothing listens there: the discard port. */
const AWAY = "http://127.0.0.1:9";
/** The proxy that all of the internet is asked by, and that is not there. */
const CUT_OFF = { HTTPS_PROXY: AWAY };

async function inFolder(action: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tuf-"));
  try {
    await action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function contextOf(
  env: Record<string, string>,
  options: { offline?: boolean; refreshMs?: number } = {},
) {
  const warnings: string[] = [];
  const { signal } = new AbortController();
  const warn = (line: string) => void warnings.push(line);
  return { env, signal, warn, warnings, ...options };
}

/** The variables for a mirror of which the first root is known. */
function variables(folder: string, repository: TestTufRepository, mirror: string) {
  const root = join(folder, "first-root.json");
  writeFileSync(root, repository.anchor);
  return { TUF_MIRROR: mirror, TUF_ROOT_JSON: root, TUF_ROOT: join(folder, "cache") };
}

async function refusal(action: Promise<unknown>): Promise<CosignError> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CosignError) return error;
  throw new TypeError("It was not refused", { cause: error });
}

describe("openTuf()", () => {
  test("serves trusted root and signing config from one refresh of the repository", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      const context = contextOf(variables(folder, repository, server.url));
      const [root, config] = await Promise.all([
        openTrustedRoot({}, context),
        openSigstoreConfig("signing_config.v0.2.json", context),
      ]);
      expect(root.logs.map(({ baseUrl }) => baseUrl)).toEqual(["https://rekor.a.test"]);
      expect(config.logs.map(({ url }) => url)).toEqual(["http://127.0.0.1:5817"]);
      expect(server.requests.filter((path) => path === "timestamp.json").length).toBe(1);
      expect(context.warnings).toEqual([]);
    }));

  test("goes on from what was kept when the mirror is away, and says so in one line", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      const server = repository.serve();
      const env = variables(folder, repository, server.url);
      await openSigstore(contextOf(env));
      await server[Symbol.asyncDispose]();
      const context = contextOf({ ...env });
      const root = await openSigstore(context);
      expect(root.ctLogs.length).toBe(1);
      expect(context.warnings).toEqual([
        expect.stringMatching(
          /^Cannot refresh the keys from "http:\/\/127\.0\.0\.1:\d+": the keys that were fetched before are used, which is right until 20\d\d-.*connection refused$/,
        ),
      ]);
    }));

  test("goes on likewise when the mirror answers 500, and when it never ends to answer", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      let answer = (): Response | undefined => undefined;
      await using server = repository.serve(() => answer());
      const env = variables(folder, repository, server.url);
      await openSigstore(contextOf(env));
      for (const bad of [
        () => new Response("no", { status: 500, headers: { "retry-after": "0" } }),
        () => new Response(drip()),
      ]) {
        answer = bad;
        const context = contextOf({ ...env }, { refreshMs: 1500 });
        expect((await openSigstore(context)).ctLogs.length).toBe(1);
        expect(context.warnings.length).toBe(1);
      }
    }));

  test("does not go on when the mirror lies: that is no mirror that is away", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      const env = variables(folder, repository, server.url);
      await openSigstore(contextOf(env));
      repository.publish({ signers: { timestamp: ["stranger"] } });
      const error = await refusal(openSigstore(contextOf({ ...env })));
      expect(error.code).toBe("TRUST_INVALID");
    }));

  test("does not go on from what has expired: TRUST_EXPIRED, and what can be done", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      const server = repository.serve();
      const env = variables(folder, repository, server.url);
      await openSigstore(contextOf(env));
      await server[Symbol.asyncDispose]();
      repository.change("timestamp.json", (signed) => {
        signed["expires"] = "2026-01-01T00:00:00Z";
      });
      const kept = join(env.TUF_ROOT, mirrorFolder(server.url), "timestamp.json");
      writeFileSync(kept, repository.file("timestamp.json"));
      for (const offline of [false, true]) {
        const error = await refusal(openSigstore(contextOf({ ...env }, { offline })));
        expect(error.code).toBe("TRUST_EXPIRED");
        expect(error.hint).toContain("--trusted-root");
      }
    }));

  test("asks nobody with `offline`", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      const env = variables(folder, repository, server.url);
      const nothing = await refusal(openSigstore(contextOf(env, { offline: true })));
      expect(nothing.code).toBe("TRUST_UNAVAILABLE");
      expect(nothing.hint).toContain("initialize");
      await openSigstore(contextOf({ ...env }));
      server.requests.length = 0;
      const context = contextOf({ ...env }, { offline: true });
      expect((await openSigstore(context)).ctLogs.length).toBe(1);
      expect(server.requests).toEqual([]);
      expect(context.warnings).toEqual([]);
    }));

  test("takes the root that came with the program when Sigstore's mirror was never reached", () =>
    inFolder(async (folder) => {
      const context = contextOf({ ...CUT_OFF, TUF_ROOT: folder });
      const root = await openSigstore(context);
      expect(root.logs[0]?.baseUrl).toBe("https://rekor.sigstore.dev");
      expect(context.warnings).toEqual([
        expect.stringContaining("the keys that came with this program are used"),
      ]);
      const config = await openSigstoreConfig("signing_config.v0.2.json", context);
      expect(config.logs[0]?.url).toBe("https://rekor.sigstore.dev");
      const second = openSigstoreConfig("signing_config_rekor_v2.v0.2.json", context);
      expect((await refusal(second)).code).toBe("SIGNING_CONFIG_INVALID");
      const offline = contextOf({ TUF_ROOT: folder }, { offline: true });
      expect(await openSigstore(offline)).toEqual(root);
      expect(offline.warnings).toEqual([]);
    }));

  test("does not go back to that root once another was fetched", () =>
    inFolder(async (folder) => {
      const place = join(folder, mirrorFolder("https://tuf-repo-cdn.sigstore.dev"));
      mkdirSync(place);
      const expired = new TestTufRepository({ expires: { timestamp: "2026-01-01T00:00:00Z" } });
      // Not signed by Sigstore's keys: it does not count, and neither does the root beside it.
      writeFileSync(join(place, "timestamp.json"), expired.file("timestamp.json"));
      writeFileSync(join(place, "root.json"), expired.anchor);
      const error = await refusal(openSigstore(contextOf({ TUF_ROOT: folder }, { offline: true })));
      // Which of both is said depends on how old the root is that came with the program.
      expect(["TRUST_INVALID", "TRUST_EXPIRED"]).toContain(error.code);
    }));

  test("finds the mirror and the root of the last initialize, in cosign's files", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      writeFileSync(join(folder, "remote.json"), JSON.stringify({ mirror: `${server.url}/` }));
      const unknown = await refusal(openSigstore(contextOf({ TUF_ROOT: folder })));
      expect(unknown).toMatchObject({
        code: "TRUST_UNAVAILABLE",
        message: expect.stringContaining("could not find cached root.json"),
        hint: expect.stringContaining("initialize"),
      });
      const name = `127.0.0.1-${new URL(server.url).port}`;
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "root.json"), repository.anchor);
      expect((await openSigstore(contextOf({ TUF_ROOT: folder }))).ctLogs.length).toBe(1);
      expect(existsSync(join(folder, name, "targets", "trusted_root.json"))).toBe(true);
      writeFileSync(join(folder, "remote.json"), "{");
      expect((await refusal(openSigstore(contextOf({ TUF_ROOT: folder })))).code).toBe(
        "TRUST_INVALID",
      );
    }));

  test("works where nothing can be written, and where there is no home", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      const { TUF_MIRROR, TUF_ROOT_JSON } = variables(folder, repository, server.url);
      const named = { TUF_MIRROR, TUF_ROOT_JSON };
      for (const env of [
        { ...named },
        { ...named, HOME: "/proc/version" }, // a file: no directory can be made there, whoever we are
        { ...named, HOME: folder, SIGSTORE_NO_CACHE: "true" },
      ]) {
        const context = contextOf(env);
        expect((await openSigstore(context)).ctLogs.length).toBe(1);
        expect((await openTuf(context)).repository?.metadata.length).toBe(4);
        expect(context.warnings).toEqual([]);
      }
      expect(readdirSync(folder)).toEqual(["first-root.json"]);
    }));

  test("reads a mirror that is a folder, carried here by hand", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      for (const [path, bytes] of repository.files) {
        mkdirSync(join(folder, "mirror", path, ".."), { recursive: true });
        writeFileSync(join(folder, "mirror", path), bytes);
      }
      const env = variables(folder, repository, `file://${join(folder, "mirror")}`);
      expect((await openSigstore(contextOf(env))).ctLogs.length).toBe(1);
      rmSync(join(folder, "mirror", "timestamp.json"));
      expect((await openSigstore(contextOf({ ...env }))).ctLogs.length).toBe(1);
      const none = await refusal(openSigstore(contextOf({ ...env, TUF_MIRROR: "ftp://a.test" })));
      expect(none.code).toBe("USAGE");
    }));
});

/** A body that gives a blank now and then. */
function drip(): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setInterval>;
  return new ReadableStream({
    start: (controller) => {
      timer = setInterval(() => controller.enqueue(Uint8Array.of(32)), 100);
    },
    cancel: () => clearInterval(timer),
  });
}
