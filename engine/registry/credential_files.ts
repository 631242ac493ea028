import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../io/env.ts";
import { parseBase64Either, parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";

/** What a registry or its token server is shown. JSON. */
export type Credentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token: only the token server gets it. */
  | { readonly kind: "identity"; readonly token: string }
  /** Sent to the registry as it is. */
  | { readonly kind: "bearer"; readonly token: string };

/** One file of docker's or podman's. */
export interface CredentialFile {
  readonly path: string;
  /** The credential helper for a registry: its own, else that for all. */
  helperFor(registry: string): string | undefined;
  /** What is kept in the file itself: for the repository, the namespaces around it, the registry. */
  credentialsFor(registry: string, repository: string): Credentials | undefined;
}

/** A file of a big organisation has some tens of kilobytes. */
const MAX_FILE_BYTES = 1024 * 1024;
const DOCKER_HUB: ReadonlySet<string> = new Set([
  "index.docker.io",
  "docker.io",
  "registry-1.docker.io",
]);

/**
 * The files in the order in which they are asked: `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`
 * or else `~/.docker/config.json`, `$XDG_RUNTIME_DIR/containers/auth.json`. Reads files.
 *
 * @throws {CosignError} `CREDENTIALS_INVALID`, naming the file, when one is there but cannot be read.
 */
export function readCredentialFiles(env: Environment): readonly CredentialFile[] {
  return credentialPaths(env).flatMap((path) => {
    const bytes = readIfThere(path);
    return bytes === undefined ? [] : [parseCredentialFile(bytes, path)];
  });
}

function credentialPaths(env: Environment): readonly string[] {
  const home = env["HOME"] || homeDirectory();
  const docker = env["DOCKER_CONFIG"] || (home === undefined ? undefined : join(home, ".docker"));
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    env["REGISTRY_AUTH_FILE"] || undefined,
    docker === undefined ? undefined : join(docker, "config.json"),
    runtime ? join(runtime, "containers", "auth.json") : undefined,
  ].filter((path) => path !== undefined);
}

/** `homedir()` throws where the user has no entry and HOME is unset. */
function homeDirectory(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw invalid(path, describeError(cause), cause);
  }
}

/**
 * Reads a file of docker's or podman's.
 *
 * @throws {CosignError} `CREDENTIALS_INVALID`, naming `path`.
 */
export function parseCredentialFile(bytes: Uint8Array, path: string): CredentialFile {
  if (bytes.length > MAX_FILE_BYTES) throw invalid(path, `larger than ${MAX_FILE_BYTES} bytes`);
  let root: unknown;
  try {
    root = JSON.parse(parseUtf8(bytes));
  } catch (cause) {
    throw invalid(path, `not JSON: ${describeError(cause)}`, cause);
  }
  if (!isRecord(root)) throw invalid(path, "not a JSON object");
  const helpers = section(root, "credHelpers", path);
  const auths = section(root, "auths", path);
  const store = root["credsStore"];
  if (store !== undefined && typeof store !== "string")
    throw invalid(path, '"credsStore" is no text');
  const byName = new Map<string, unknown>();
  for (const [key, entry] of Object.entries(auths)) {
    // Of two spellings of one name the first stands.
    if (!byName.has(normalName(key))) byName.set(normalName(key), entry);
  }
  return {
    path,
    helperFor: (registry) => {
      for (const [key, helper] of Object.entries(helpers)) {
        if (normalName(key) !== normalName(registry)) continue;
        if (typeof helper !== "string") throw invalid(path, `"credHelpers" of "${key}" is no text`);
        return helper || undefined; // none for this one, whatever is there for all
      }
      return store || undefined;
    },
    credentialsFor: (registry, repository) => {
      const name = normalName(registry);
      const parts = repository.split("/");
      for (let length = parts.length; length >= 0; length--) {
        const key = [name, ...parts.slice(0, length)].join("/");
        const found = parseEntry(byName.get(key), key, path);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

/** `https://HOST/v1/` is HOST; Docker Hub has several names; podman's `HOST/namespace` stays. */
function normalName(key: string): string {
  const [host = "", ...rest] = key.replace(/^https?:\/\//, "").split("/");
  const path = rest
    .join("/")
    .replace(/^v[12]?\/?$/, "")
    .replace(/\/$/, "");
  const name = DOCKER_HUB.has(host) ? "index.docker.io" : host;
  return path === "" ? name : `${name}/${path}`;
}

function parseEntry(entry: unknown, key: string, path: string): Credentials | undefined {
  if (entry === undefined || entry === null) return undefined;
  if (!isRecord(entry)) throw invalid(path, `the entry "${key}" is no object`);
  const text = (name: string): string => {
    const value = entry[name];
    if (value === undefined || value === null) return "";
    if (typeof value !== "string") throw invalid(path, `"${name}" of "${key}" is no text`);
    return value;
  };
  const identity = text("identitytoken");
  if (identity !== "") return { kind: "identity", token: identity };
  const bearer = text("registrytoken");
  if (bearer !== "") return { kind: "bearer", token: bearer };
  const auth = text("auth");
  const [username, password] =
    auth === "" ? [text("username"), text("password")] : parsePair(auth, key, path);
  if (username === "" && password === "") return undefined;
  return username === "<token>"
    ? { kind: "identity", token: password }
    : { kind: "basic", username, password };
}

function parsePair(auth: string, key: string, path: string): readonly [string, string] {
  let pair: string;
  try {
    // Some write it without padding.
    pair = parseUtf8(parseBase64Either(auth.padEnd(Math.ceil(auth.length / 4) * 4, "=")));
  } catch (cause) {
    throw invalid(path, `"auth" of "${key}" is no base64 text`, cause);
  }
  const colon = pair.indexOf(":");
  if (colon < 0) throw invalid(path, `"auth" of "${key}" has no colon in it`);
  return [pair.slice(0, colon), pair.slice(colon + 1).replace(/\0+$/, "")];
}

function section(
  root: Readonly<Record<string, unknown>>,
  name: string,
  path: string,
): Readonly<Record<string, unknown>> {
  const value = root[name];
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw invalid(path, `"${name}" is no object`);
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, why: string, cause?: unknown): CosignError {
  return new CosignError("CREDENTIALS_INVALID", `Cannot read credentials in "${path}": ${why}`, {
    cause,
    hint: "Correct the file, or log in again with docker login or podman login",
  });
}
