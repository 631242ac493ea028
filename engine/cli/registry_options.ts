import { readFileBytes } from "../io/files.ts";
import { CosignError } from "../model/errors.ts";
import type { RegistryOptions } from "../registry/session.ts";
import type { FlagValues } from "./flag.ts";
import type { REGISTRY_FLAGS } from "./flags/registry.ts";
import { usage } from "./parse.ts";
import { userAgent } from "./version.ts";

const MAX_PEM_BYTES = 4 * 1024 * 1024; // a whole system's certificates are a quarter of a megabyte

/**
 * How registries are spoken to, from the flags; the files that they name are read.
 *
 * @throws {CosignError} `USAGE`, `FILE_READ`.
 */
export async function registryOptions(
  flags: FlagValues<typeof REGISTRY_FLAGS> & { readonly verbose: boolean },
  platform: string,
): Promise<RegistryOptions> {
  const username = filled(flags["registry-username"]);
  const password = filled(flags["registry-password"]);
  const token = filled(flags["registry-token"]);
  const serverName = filled(flags["registry-server-name"]);
  if ((username === undefined) !== (password === undefined)) {
    throw usage("--registry-username and --registry-password belong together");
  }
  const caPem = await readPem(flags["registry-cacert"]);
  const clientCertificatePem = await readPem(flags["registry-client-cert"]);
  const clientKeyPem = await readPem(flags["registry-client-key"]);
  if ((clientCertificatePem === undefined) !== (clientKeyPem === undefined)) {
    throw usage("--registry-client-cert and --registry-client-key belong together");
  }
  return {
    allowHttp: flags["allow-http-registry"],
    allowInsecure: flags["allow-insecure-registry"],
    userAgent: userAgent(platform),
    verbose: flags.verbose,
    ...(flags["k8s-keychain"] ? { cloudLogin: true } : {}),
    ...(username === undefined || password === undefined ? {} : { username, password }),
    ...(token === undefined ? {} : { token }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(caPem === undefined ? {} : { caPem }),
    ...(clientCertificatePem === undefined || clientKeyPem === undefined
      ? {}
      : { clientCertificatePem, clientKeyPem }),
  };
}

/** Reads a file with PEM; nothing where none is named. @throws {CosignError} `FILE_READ`. */
export async function readPem(path: string | undefined): Promise<string | undefined> {
  if (filled(path) === undefined || path === undefined) return undefined;
  const text = new TextDecoder().decode(await readFileBytes(path, MAX_PEM_BYTES));
  if (text.includes("-----BEGIN ")) return text;
  throw new CosignError("FILE_READ", `Cannot read file "${path}": there is no PEM in it`);
}

/** An empty text is the same as none, as for cosign. */
function filled(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
