import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { pushVectorRepository } from "../support/push_layout.ts";
import type { TestRegistry } from "../support/registries.ts";
import { hasTool, requires } from "../support/requires.ts";
import { makeCertificates, startTlsFront, type TlsFront } from "../support/tls_front.ts";
import { readCommands, readVector } from "../support/vectors.ts";

/** An image of `legacy-v3-tags` that `key-v3` signed. */
const REFERENCE = readCommands()
  .find(
    ({ argv, exit }) =>
      argv[0] === "verify" && exit === 0 && /legacy-v3-tags@/.test(argv.at(-1) ?? ""),
  )
  ?.argv.at(-1)
  ?.replace(/^[^/]*\//, "");

const tree = mkdtempSync(join(tmpdir(), "bare-"));
const certificates = mkdtempSync(join(tmpdir(), "bare-tls-"));
const bare = requires("chroot", "openssl");
let registry: TestRegistry | undefined;
let front: TlsFront | undefined;

beforeAll(async () => {
  if (!hasTool("chroot") || !hasTool("openssl")) return;
  const binary = await buildBinary();
  place(binary, "bin/cosign-ts", 0o755);
  for (const library of librariesOf(binary)) place(library, library, 0o755);
  mkdirSync(join(tree, "proc"));
  writeFileSync(join(tree, "cosign.pub"), readVector("files/key-v3.pub"));
  const made = makeCertificates(certificates);
  place(made.ca, "ca.pem", 0o644);
  chmodSync(tree, 0o755);
  registry = await startEmbeddedRegistry();
  await pushVectorRepository(registry.host, "legacy-v3-tags");
  front = startTlsFront(registry.host, made);
}, 120_000);

afterAll(async () => {
  await front?.close();
  await registry?.close();
  rmSync(tree, { recursive: true, force: true });
  rmSync(certificates, { recursive: true, force: true });
});

bare("the binary tells its version with nothing but the C library and /proc", async () => {
  const { code, stdout, stderr } = await runBare(["version"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("0.1.0");
});

bare("the binary verifies an image there", async () => {
  const argv = ["verify", "--key", "/cosign.pub", "--insecure-ignore-tlog"];
  const { code, stdout, stderr } = await runBare([...argv, `${registry?.host}/${REFERENCE}`]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toHaveLength(1);
});

bare(
  "SSL_CERT_FILE names the authorities there, and a server of another one is refused",
  async () => {
    const argv = ["verify", "--key", "/cosign.pub", "--insecure-ignore-tlog"];
    const reference = `${front?.host}/${REFERENCE}`;
    const trusted = await runBare([...argv, reference], { SSL_CERT_FILE: "/ca.pem" });
    expect({ code: trusted.code, stderr: trusted.code === 0 ? "" : trusted.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    const refused = await runBare([...argv, reference]);
    expect(refused.code).toBe(20);
    expect(refused.stderr).toContain("REGISTRY_TLS");
    expect(refused.stdout).toBe("");
  },
);

/** Copies a file to its place in the tree. */
function place(from: string, path: string, mode: number): void {
  const target = join(tree, path);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(from, target);
  chmodSync(target, mode);
}

/** The shared libraries that the binary asks the loader for, and the loader. */
function librariesOf(binary: string): readonly string[] {
  const { stdout } = spawnSync("ldd", [binary], { encoding: "utf8" });
  return [...stdout.matchAll(/(?:^|\s)(\/\S+)/g)].map(([, path]) => path ?? "");
}

/**
 * Runs the binary in the tree: read-only, as nobody, without HOME, /tmp, /dev and /etc. The mounts
 * are in a name space of their own and end with it.
 */
async function runBare(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const script =
    'mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount -o remount,bind,ro "$1" && ' +
    'shift && cd / && exec env -i "$@"';
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  // By its path: the environment is empty when it is looked for.
  const program = Bun.which("chroot") ?? "/usr/sbin/chroot";
  const chroot = [program, "--userspec=65534:65534", tree, "/bin/cosign-ts", ...argv];
  const child = Bun.spawn(
    ["unshare", "--mount", "sh", "-c", script, "sh", tree, ...variables, ...chroot],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
