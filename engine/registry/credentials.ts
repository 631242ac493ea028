import { childEnvironment } from "../io/env.ts";
import { runProcess } from "../io/process.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { CredentialFile, Credentials } from "./credential_files.ts";
import type { HostServices } from "./question.ts";

/** Some helpers ask a cloud, or a human. */
const HELPER_TIMEOUT_MS = 30_000;
/** One JSON object with one secret in it. */
const MAX_HELPER_OUTPUT_BYTES = 256 * 1024;
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/**
 * The credentials for a repository, as docker and podman keep them: of each file `credHelpers` for the
 * registry, then `credsStore`, then `auths`; names are compared whole, never in part.
 *
 * @param files From `readCredentialFiles()`.
 * @param registry Host and port.
 * @returns nothing when there are none: then we are anonymous.
 * @throws {CosignError} `CREDENTIALS_INVALID` when an entry or the answer of a helper is malformed.
 */
export async function findCredentials(
  files: readonly CredentialFile[],
  registry: string,
  repository: string,
  services: Pick<HostServices, "shared" | "env">,
  signal?: AbortSignal,
): Promise<Credentials | undefined> {
  for (const file of files) {
    const helper = file.helperFor(registry);
    if (helper !== undefined) {
      const found = await services.shared.once<Credentials | null>(
        `credentials:${helper}:${registry}`,
        async () => ({ value: await askHelper(helper, registry, services.env, signal) }),
        signal,
      );
      if (found !== null) return found;
    }
    const stored = file.credentialsFor(registry, repository);
    if (stored !== undefined) return stored;
  }
  return undefined;
}

/** Asks `docker-credential-NAME get`. Answers null when it has none. */
async function askHelper(
  name: string,
  registry: string,
  env: HostServices["env"],
  signal: AbortSignal | undefined,
): Promise<Credentials | null> {
  const command = `docker-credential-${name}`;
  if (!HELPER_NAME.test(name)) {
    throw invalid(command, "its name is no plain name of a program");
  }
  const { code, stdout } = await runProcess(command, ["get"], {
    stdin: registry === "index.docker.io" ? "https://index.docker.io/v1/" : registry,
    timeoutMs: HELPER_TIMEOUT_MS,
    maxOutputBytes: MAX_HELPER_OUTPUT_BYTES,
    env: childEnvironment(env),
    failure: "CREDENTIALS_INVALID",
    ...(signal === undefined ? {} : { signal }),
  });
  if (code !== 0) {
    const said = new TextDecoder().decode(stdout.subarray(0, 300)).trim();
    if (/credentials not found/i.test(said)) return null;
    throw invalid(command, `it ended with ${code ?? "a signal"}: ${JSON.stringify(said)}`);
  }
  return parseHelperAnswer(stdout, command);
}

function parseHelperAnswer(stdout: Uint8Array, command: string): Credentials {
  let root: unknown;
  try {
    root = JSON.parse(parseUtf8(stdout));
  } catch (cause) {
    throw invalid(command, "its answer is no JSON", cause);
  }
  const field = (name: string): unknown =>
    typeof root === "object" && root !== null ? Reflect.get(root, name) : undefined;
  const [username, secret] = [field("Username"), field("Secret")];
  if (typeof username !== "string" || typeof secret !== "string") {
    throw invalid(command, 'its answer has no "Username" and "Secret"');
  }
  return username === "<token>"
    ? { kind: "identity", token: secret }
    : { kind: "basic", username, password: secret };
}

function invalid(command: string, why: string, cause?: unknown): CosignError {
  return new CosignError("CREDENTIALS_INVALID", `Cannot get credentials of "${command}": ${why}`, {
    hint: "Run docker login again, or take the helper out of the configuration",
    cause,
  });
}
