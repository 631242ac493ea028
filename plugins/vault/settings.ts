import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  CosignError,
  describeError,
  type PluginContext,
  type TlsOptions,
} from "../../engine/plugin_host/contract.ts";

/** Where Vault is, and how it is spoken to. */
export interface VaultSettings {
  /** URL without a slash at its end. */
  readonly address: string;
  /** Where the transit secrets engine is mounted; default `transit`. */
  readonly engine: string;
  readonly namespace?: string;
  readonly tls: TlsOptions;
  readonly timeoutMs?: number;
  /** Whose public key verifies (`VAULT_KEY_PREFIX=vault:v2:`); the latest when absent. */
  readonly version?: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * The value of a setting: `VAULT_NAME`, else `BAO_NAME`, as cosign asks for them. Empty is unset.
 */
export function setting(context: PluginContext, name: string): string | undefined {
  return context.env[`VAULT_${name}`] || context.env[`BAO_${name}`] || undefined;
}

/**
 * Reads the settings that Vault's own clients read.
 *
 * @throws {CosignError} `USAGE` for what is missing or cannot be read, `FILE_READ`.
 */
export async function readSettings(context: PluginContext): Promise<VaultSettings> {
  const namespace = setting(context, "NAMESPACE");
  const timeoutMs = readTimeout(context);
  const version = readVersion(context.env["VAULT_KEY_PREFIX"]);
  return {
    address: readAddress(context),
    engine: (context.env["TRANSIT_SECRET_ENGINE_PATH"] || "transit").replace(/^\/+|\/+$/g, ""),
    tls: await readTls(context),
    ...(namespace === undefined ? {} : { namespace }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(version === undefined ? {} : { version }),
  };
}

function readAddress(context: PluginContext): string {
  const address = setting(context, "ADDR");
  if (address === undefined) {
    throw new CosignError("USAGE", "Cannot reach Vault: VAULT_ADDR or BAO_ADDR is not set", {
      hint: "Set it to the URL of the server, as https://vault.example.com:8200",
    });
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.host !== "";
  if (!isPlain || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new CosignError(
      "USAGE",
      "Cannot reach Vault: its address is no plain http or https URL",
      {
        hint: "Set VAULT_ADDR to the URL of the server, as https://vault.example.com:8200",
      },
    );
  }
  return url.href.replace(/\/+$/, "");
}

async function readTls(context: PluginContext): Promise<TlsOptions> {
  const readText = async (path: string): Promise<string> =>
    new TextDecoder().decode(await context.readFile(path));
  const inlineOrFile = async (name: string): Promise<string | undefined> => {
    const inline = setting(context, `${name}_BYTES`);
    const path = setting(context, name);
    return inline ?? (path === undefined ? undefined : await readText(path));
  };
  const directory = setting(context, "CAPATH");
  const caPem =
    (await inlineOrFile("CACERT")) ??
    (directory === undefined ? undefined : await readDirectory(directory, readText));
  const certificatePem = await inlineOrFile("CLIENT_CERT");
  const keyPem = await inlineOrFile("CLIENT_KEY");
  const serverName = setting(context, "TLS_SERVER_NAME");
  const insecure = isTrue(setting(context, "SKIP_VERIFY"));
  if (insecure) context.warn("VAULT_SKIP_VERIFY: the certificate of the server is not checked");
  return {
    ...(caPem === undefined ? {} : { caPem }),
    ...(certificatePem === undefined ? {} : { certificatePem }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecure ? { insecure } : {}),
  };
}

async function readDirectory(
  path: string,
  readText: (path: string) => Promise<string>,
): Promise<string> {
  let names: readonly string[];
  try {
    names = (await readdir(path)).sort();
  } catch (error) {
    throw new CosignError("FILE_READ", `Cannot read VAULT_CAPATH: ${describeError(error)}`, {
      cause: error,
    });
  }
  const texts = await Promise.all(names.map((name) => readText(join(path, name))));
  return texts.filter((text) => text.includes("-----BEGIN CERTIFICATE-----")).join("\n");
}

/** As Go reads a truth value. */
function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:1|t|true)$/i.test(text);
}

/** Seconds, or a number with its unit. */
function readTimeout(context: PluginContext): number | undefined {
  const text = setting(context, "CLIENT_TIMEOUT");
  if (text === undefined) return undefined;
  const [, amount, unit = "s"] = /^(\d{1,6})(ms|s|m|h)?$/.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (UNIT_MS[unit] ?? 1000);
  throw new CosignError("USAGE", `Cannot read VAULT_CLIENT_TIMEOUT: "${text.slice(0, 40)}"`, {
    hint: 'Write it as "30s" or "2m"',
  });
}

function readVersion(prefix: string | undefined): number | undefined {
  if (!prefix) return undefined;
  const version = /^vault:v([1-9]\d{0,8}):?$/.exec(prefix)?.[1];
  if (version !== undefined) return Number(version);
  throw new CosignError("USAGE", `Cannot read VAULT_KEY_PREFIX: "${prefix.slice(0, 40)}"`, {
    hint: 'Write it as "vault:v2:": the version of the key that signed',
  });
}
