import { mkdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { childEnvironment, type Environment } from "../io/env.ts";
import { writeWholeFile } from "../io/files.ts";
import { runProcess } from "../io/process.ts";
import { encodeBase64, utf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { DEFAULT_REGISTRY } from "../model/reference.ts";
import { parseCredentialFile } from "./credential_files.ts";

/** What `docker login` calls Docker Hub. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
/** Some helpers ask a human. */
const HELPER_TIMEOUT_MS = 60_000;
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/**
 * Keeps a user name and a password for a registry as docker does: in `config.json`, or in the
 * credential helper that it names for the registry.
 *
 * @param registry Host and port.
 * @returns the path of `config.json`.
 * @throws {CosignError} `CREDENTIALS_INVALID` when that file cannot be read or the helper fails; `FILE_WRITE`.
 */
export async function saveLogin(
  registry: string,
  login: { readonly username: string; readonly password: string },
  env: Environment,
): Promise<string> {
  const path = join(
    env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker"),
    "config.json",
  );
  const bytes = readIfThere(path);
  const file = parseCredentialFile(bytes, path);
  // It was checked just now: an object, with an object of entries if any.
  const root: Readonly<Record<string, unknown>> = JSON.parse(new TextDecoder().decode(bytes));
  const key = registry === DEFAULT_REGISTRY ? DOCKER_HUB_KEY : registry;
  const helper = file.helperFor(registry);
  if (helper !== undefined) await tellHelper(helper, key, login, env);
  const auth = encodeBase64(utf8(`${login.username}:${login.password}`));
  const auths = { ...Object(root["auths"]), [key]: helper === undefined ? { auth } : {} };
  const text = `${JSON.stringify({ ...root, auths }, undefined, "\t")}\n`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await writeWholeFile(realPath(path), utf8(text), { mode: 0o600, replace: true });
  return path;
}

async function tellHelper(
  name: string,
  server: string,
  { username, password }: { readonly username: string; readonly password: string },
  env: Environment,
): Promise<void> {
  const command = `docker-credential-${name}`;
  if (!HELPER_NAME.test(name)) throw failed(command, "its name is no plain name of a program");
  const { code, stdout } = await runProcess(command, ["store"], {
    stdin: JSON.stringify({ ServerURL: server, Username: username, Secret: password }),
    timeoutMs: HELPER_TIMEOUT_MS,
    maxOutputBytes: 65_536,
    env: childEnvironment(env),
    failure: "CREDENTIALS_INVALID",
  });
  if (code === 0) return;
  const said = new TextDecoder().decode(stdout.subarray(0, 300)).trim();
  throw failed(command, `it ended with ${code ?? "a signal"}: ${JSON.stringify(said)}`);
}

function readIfThere(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    if (cause instanceof Error && Reflect.get(cause, "code") === "ENOENT") return utf8("{}");
    throw failed(path, describeError(cause), cause);
  }
}

/** A link stays a link: what it points to is written. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function failed(what: string, why: string, cause?: unknown): CosignError {
  return new CosignError("CREDENTIALS_INVALID", `Cannot keep the login in "${what}": ${why}`, {
    cause,
  });
}
