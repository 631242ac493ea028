import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import {
  type BinaryResult,
  buildBinary,
  runBinary,
  scrubbedEnvironment,
} from "../support/binary.ts";
import { requires } from "../support/requires.ts";
import { TestTufRepository, type TufServer } from "../support/tuf_repository.ts";
import { readVectorText, unpackVectors } from "../support/vectors.ts";

const LIMIT_MS = 300_000;
const ROOT = join(dirname(import.meta.dir), "..");
const PROCESSES = 8;
const folder = mkdtempSync(join(tmpdir(), "trust-e2e-"));
const anchor = join(folder, "first-root.json");
const TARGETS = {
  "trusted_root.json": { content: readVectorText("trust/trusted-root.json", "keyless") },
  "signing_config.v0.2.json": { content: readVectorText("trust/signing-config.json", "keyless") },
};
/** A signature of the vectors that those verify who believe the repository. */
const VERIFY = [
  ...["verify-blob", "--bundle", join(folder, "bundles/blob-keyless-email.json")],
  ...["--certificate-identity", "alice@example.com"],
  ...["--certificate-oidc-issuer", "http://127.0.0.1:5810/auth", join(folder, "blobs/hello.txt")],
];
const CREATE = ["trusted-root", "create", "--with-default-services"];

beforeAll(async () => {
  await buildBinary();
  for (const prefix of ["bundles/", "blobs/"]) {
    unpackVectors(prefix, join(folder, prefix), "keyless");
  }
}, LIMIT_MS);
afterAll(() => rmSync(folder, { recursive: true }));

/** A repository that is served, and a directory for what is fetched of it. */
function serve(): { repository: TestTufRepository; server: TufServer; cache: string } {
  const repository = new TestTufRepository({ targets: TARGETS });
  writeFileSync(anchor, repository.anchor);
  return { repository, server: repository.serve(), cache: mkdtempSync(join(folder, "cache-")) };
}

const run = (argv: readonly string[], env: Record<string, string>) =>
  runBinary(argv, { env, timeoutMs: LIMIT_MS });
const initialize = (server: TufServer, cache: string) =>
  run(["initialize", "--mirror", server.url, "--root", anchor], { TUF_ROOT: cache });

/** Runs the binary in namespaces of its own, made by `unshare`. */
async function unshared(
  flags: readonly string[],
  script: string,
  argv: readonly string[],
  env: Record<string, string>,
): Promise<BinaryResult> {
  const child = Bun.spawn(
    ["unshare", ...flags, "sh", "-ec", `${script}; exec "$0" "$@"`, await buildBinary(), ...argv],
    { env: { ...scrubbedEnvironment(folder), ...env }, stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

describe("the binary and a TUF repository", () => {
  test(
    "verifies by what the repository says, and refuses what it does not say",
    async () => {
      const { repository, server, cache } = serve();
      await using _ = server;
      expect(await initialize(server, cache)).toMatchObject({ code: 0, stdout: "", stderr: "" });
      const verified = await run(VERIFY, { TUF_ROOT: cache });
      expect(verified).toMatchObject({ code: 0, stderr: "Verified OK\n" });
      const others = readVectorText("trust/mutated/rogue-ca.json", "keyless");
      repository.publish({ targets: { "trusted_root.json": { content: others } } });
      const refused = await run(VERIFY, { TUF_ROOT: cache });
      expect(refused.stderr).toContain("code: CERTIFICATE_UNTRUSTED");
    },
    LIMIT_MS,
  );

  test(
    `${PROCESSES} processes that begin at once share a cache, while the repository goes on`,
    async () => {
      const { repository, server, cache } = serve();
      await using _ = server;
      const all = <T>(action: (at: number) => Promise<T>) =>
        Promise.all(Array.from({ length: PROCESSES }, (_, at) => action(at)));
      for (const { code, stderr } of await all(() => initialize(server, cache))) {
        expect([code, stderr]).toEqual([0, ""]);
      }
      for (let round = 0; round < 3; round++) {
        repository.publishRoot({}, { timestamp: [`timestamp ${round}`] });
        repository.publish();
        for (const { code, stderr } of await all(() => run(CREATE, { TUF_ROOT: cache }))) {
          expect([code, stderr]).toEqual([0, ""]);
        }
      }
      for (const path of readdirSync(cache, { recursive: true, encoding: "utf8" })) {
        expect(basename(path)).not.toStartWith("."); // nothing half-made is left
        if (path.endsWith(".json")) JSON.parse(readFileSync(join(cache, path), "utf8"));
      }
      await server[Symbol.asyncDispose]();
      expect(await run([...VERIFY, "--offline"], { TUF_ROOT: cache })).toMatchObject({ code: 0 });
    },
    LIMIT_MS,
  );

  test(
    "--offline connects to nothing: neither to the mirror, nor by a proxy to Sigstore's",
    async () => {
      const { server, cache } = serve();
      await using _ = server;
      const empty = mkdtempSync(join(folder, "empty-"));
      using proxy = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { open: () => void connections++, data: () => undefined },
      });
      let connections = 0;
      const witness = `http://127.0.0.1:${proxy.port}`;
      const proxied = { HTTPS_PROXY: witness, HTTP_PROXY: witness };
      await initialize(server, cache);
      server.requests.length = 0;
      const verified = await run([...VERIFY, "--offline"], { ...proxied, TUF_ROOT: cache });
      expect(verified).toMatchObject({ code: 0 });
      expect(verified.stderr).not.toContain("Cannot refresh");
      const unknown = await run([...VERIFY, "--offline"], { ...proxied, TUF_ROOT: empty });
      expect(unknown.stderr).toContain("code: LOG_UNTRUSTED"); // the root that came along
      expect([server.requests, connections]).toEqual([[], 0]);
      // The witness sees what is not offline.
      await run(VERIFY, { ...proxied, TUF_ROOT: empty, COSIGN_TIMEOUT: "5s" });
      expect(connections).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );

  requires("netns")(
    "verifies in a namespace without a network by what was fetched before, and says what it could not refresh",
    async () => {
      const { server, cache } = serve();
      await using _ = server;
      await initialize(server, cache);
      const alone = await unshared(["--net"], "true", VERIFY, { TUF_ROOT: cache });
      expect(alone.code).toBe(0);
      const [warning = "", ...rest] = alone.stderr.split("\n");
      expect(warning).toStartWith(
        `WARNING: Cannot refresh the keys from "${server.url}": the keys that were fetched before are used, which is right until `,
      );
      expect(rest).toEqual(["Verified OK", ""]);
      const nothing = { TUF_ROOT: join(folder, "nothing"), TUF_MIRROR: "", TUF_ROOT_JSON: "" };
      const first = await unshared(["--net"], "true", CREATE, nothing);
      expect(first.code).toBe(0);
      expect(first.stderr).toContain("the keys that came with this program are used");
      expect(JSON.parse(first.stdout).tlogs[0].baseUrl).toBe("https://rekor.sigstore.dev");
    },
    LIMIT_MS,
  );

  requires("chroot")(
    "works on a file system that cannot be written to",
    async () => {
      const { server } = serve();
      await using _ = server;
      const home = mkdtempSync(join(folder, "read-only-"));
      mkdirSync(join(home, ".sigstore"));
      const env = { HOME: home, TUF_MIRROR: server.url, TUF_ROOT_JSON: anchor };
      const script = 'mount --bind "$HOME" "$HOME" && mount -o remount,ro,bind "$HOME"';
      const verified = await unshared(["--mount"], script, VERIFY, env);
      expect(verified).toMatchObject({ code: 0, stderr: "Verified OK\n" });
      expect(readdirSync(join(home, ".sigstore"))).toEqual([]);
      const kept = await unshared(
        ["--mount"],
        script,
        ["initialize", "--mirror", server.url, "--root", anchor],
        env,
      );
      expect(kept.stderr).toContain("code: FILE_WRITE");
    },
    LIMIT_MS,
  );

  test(
    "deno run reads the repository, too: its keys are verified there as everywhere",
    async () => {
      const { repository, server, cache } = serve();
      await using _ = server;
      repository.publishRoot({}, { root: ["another"], snapshot: ["another"] });
      repository.publish();
      const child = Bun.spawn(
        [join(ROOT, "node_modules", ".bin", "deno"), "run", "-A", "main.ts", ...CREATE],
        {
          cwd: ROOT,
          env: {
            ...scrubbedEnvironment(folder),
            ...{ TUF_MIRROR: server.url, TUF_ROOT_JSON: anchor, TUF_ROOT: cache },
          },
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect([await child.exited, stderr]).toEqual([0, ""]);
      expect(JSON.parse(stdout).tlogs[0].baseUrl).toBe("https://rekor.a.test");
    },
    LIMIT_MS,
  );
});
