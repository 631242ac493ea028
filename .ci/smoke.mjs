/**
 * A smoke run: the binary tells its version, makes a key, signs an image on its own registry and
 * verifies it; another key is refused; and Deno runs the same sources.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, cleanEnvironment, root } from "./lib.mjs";

const program = join(root, "dist", process.platform === "win32" ? "cosign-ts.exe" : "cosign-ts");
const folder = mkdtempSync(join(tmpdir(), "smoke-"));
const env = { ...cleanEnvironment(), COSIGN_PASSWORD: "smoke" };

const version = expectExit(0, program, ["version"]);
const onDeno = expectExit(0, binary("deno"), ["run", "-A", join(root, "main.ts"), "version"]);
if (version === "") throw new Error("version says nothing");
if (onDeno === "") throw new Error("version says nothing on Deno");

const server = spawn(program, ["registry", "serve", "--dir", "data", "--listen", "127.0.0.1:0"], {
  cwd: folder,
  env,
});
try {
  const host = await readHost(server);
  const image = await pushImage(host);
  for (const name of ["cosign", "other"]) {
    expectExit(0, program, ["generate-key-pair", "--output-key-prefix", name]);
  }
  expectExit(0, program, ["sign", "--key", "cosign.key", "--tlog-upload=false", "--yes", image]);
  const verify = ["verify", "--insecure-ignore-tlog", "--key"];
  const payloads = JSON.parse(expectExit(0, program, [...verify, "cosign.pub", image]));
  if (payloads.length !== 1)
    throw new Error(`verify printed ${payloads.length} payloads, expected 1`);
  expectExit(12, program, [...verify, "other.pub", image]);
} finally {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.stderr.write("smoke: version, sign, verify, a wrong key, Deno: as expected\n");

/** Runs a command in the folder; answers its stdout. */
function expectExit(wanted, command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  if (status !== wanted) {
    throw new Error(
      `${command} ${args.join(" ")}: exit code ${status}, expected ${wanted}\n${stderr}`,
    );
  }
  return stdout;
}

/** The address that the registry says it listens on. */
async function readHost(child) {
  return await new Promise((resolve, reject) => {
    let text = "";
    const read = (chunk) => {
      text += chunk;
      const host = /127\.0\.0\.1:[1-9]\d*/.exec(text)?.[0];
      if (host !== undefined) resolve(host);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => reject(new Error(`registry serve ended with ${code}: ${text}`)));
    child.on("error", reject);
  });
}

/** Pushes an image of one blob, its own configuration; answers its reference by digest. */
async function pushImage(host) {
  const base = `http://${host}/v2/smoke/image`;
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...describe("{}") };
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: [],
  });
  const { digest } = describe(manifest);
  await expectStatus(201, `${base}/blobs/uploads/?digest=${config.digest}`, "POST", "{}", {
    "content-type": "application/octet-stream",
  });
  await expectStatus(201, `${base}/manifests/${digest}`, "PUT", manifest, {
    "content-type": "application/vnd.oci.image.manifest.v1+json",
  });
  return `${host}/smoke/image@${digest}`;
}

function describe(text) {
  const hash = createHash("sha256").update(text).digest("hex");
  return { digest: `sha256:${hash}`, size: Buffer.byteLength(text) };
}

async function expectStatus(wanted, url, method, body, headers) {
  const response = await fetch(url, { method, body, headers });
  if (response.status !== wanted) {
    throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  }
}
