import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createPublicKey, verify as verifyNatively } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary } from "../support/binary.ts";
import { readCommands, readVector, unpackVectors } from "../support/vectors.ts";

const folder = mkdtempSync(join(tmpdir(), "cosign-ts-e2e-blobs-"));
const env = readCommands().find((record) => record.env["COSIGN_PASSWORD"])?.env ?? {};
const BLOB = readVector("files/blob.txt");
const LIMIT_MS = 120_000;

beforeAll(async () => {
  unpackVectors("files/", folder);
  await buildBinary();
}, LIMIT_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sign = (stdin: Uint8Array | string, ...argv: string[]) =>
  runBinary(["sign-blob", "--key", "key-v3.key", "--tlog-upload=false", ...argv], {
    cwd: folder,
    env,
    stdin,
  });
const verify = (stdin: Uint8Array | string, ...argv: string[]) =>
  runBinary(["verify-blob", "--insecure-ignore-tlog", ...argv], { cwd: folder, stdin });

describe("the binary", () => {
  test("signs and verifies standard input", async () => {
    const signed = await sign(BLOB, "--bundle", "stdin.json", "-");
    expect(signed.code).toBe(0);
    expect(signed.stderr).not.toContain("Using payload from");
    for (const key of ["key-v3.pub", "key-v2.pub"]) {
      const { code } = await verify(BLOB, "--key", key, "--bundle", "stdin.json", "-");
      expect(code).toBe(key === "key-v3.pub" ? 0 : 1);
    }
    expect((await verify("other", "--key", "key-v3.pub", "--bundle", "stdin.json", "-")).code).toBe(
      1,
    );
  });

  test("signs a large file over its digest, as every other verifier reads it", async () => {
    writeFileSync(join(folder, "large"), "");
    truncateSync(join(folder, "large"), 40 * 1024 * 1024);
    for (const name of [
      "key-v3",
      "import-p384-v3",
      "import-p521-v3",
      "import-rsa2048-v3",
      "import-ed25519-v3",
    ]) {
      const files = ["--key", `${name}.key`, "--bundle", `${name}.json`];
      const made = ["--tlog-upload=false", "--output-signature", `${name}.sig`, "--b64=false"];
      const argv = ["sign-blob", ...files, ...made, "large"];
      const { code, stderr } = await runBinary(argv, { cwd: folder, env });
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      const key = ["--key", `${name}.pub`];
      expect((await verify("", ...key, "--bundle", `${name}.json`, "large")).code).toBe(0);
      expect((await verify("", ...key, "--signature", `${name}.sig`, "large")).code).toBe(0);
      expect((await verify("", ...key, "--bundle", `${name}.json`, "blob.txt")).code).toBe(1);
    }
    const key = createPublicKey(readFileSync(join(folder, "key-v3.pub")));
    const signature = readFileSync(join(folder, "key-v3.sig"));
    expect(verifyNatively("sha256", readFileSync(join(folder, "large")), key, signature)).toBe(
      true,
    );
  }, 60_000);

  test("does not wait for ever for pipes to which nobody writes", async () => {
    expect(spawnSync("mkfifo", [join(folder, "pipe")]).status).toBe(0);
    const key = ["--timeout=300ms", "--key", "key-v3.pub"];
    const good = ["--bundle", "blob.txt.key-v3.v3.new.bundle.json"];
    const runs = [
      await verify("", ...key, ...good, "pipe"),
      await verify("", ...key, "--bundle", "pipe", "blob.txt"),
      await verify("", ...key, "--signature", "pipe", "blob.txt"),
    ];
    for (const { code, stderr } of runs) {
      expect(code).toBe(20);
      expect(stderr).toContain("not done after 300 ms");
    }
  });

  test("leaves servers that redirect in a circle, that never end, and that never answer", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/blob") return new Response(new Uint8Array(BLOB));
        if (pathname === "/circle") return Response.redirect("/circle", 302);
        if (pathname === "/never") return new Promise<Response>(() => {});
        const piece = new Uint8Array(65_536);
        return new Response(new ReadableStream({ pull: (to) => to.enqueue(piece) }));
      },
    });
    try {
      const url = (path: string): string => `http://127.0.0.1:${server.port}${path}`;
      const key = ["--timeout=500ms", "--key", "key-v3.pub"];
      const good = ["--bundle", "blob.txt.key-v3.v3.new.bundle.json"];
      expect((await verify("", ...key, ...good, url("/blob"))).code).toBe(0);
      for (const path of ["/circle", "/never", "/endless"]) {
        expect((await verify("", ...key, ...good, url(path))).code).toBe(20);
        const signature = await verify("", ...key, "--signature", url(path), "blob.txt");
        expect(signature.code).toBe(20);
      }
    } finally {
      await server.stop(true);
    }
  }, 60_000);
});
