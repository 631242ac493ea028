import { parseSigningConfig, type SigningConfig } from "../formats/signing_config.ts";
import { readShort } from "../io/blob.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { embeddedSigningConfig } from "./embedded.ts";
import type { TrustContext } from "./open.ts";

/** Where the addresses of services come from. */
export interface SigningConfigSources {
  /** `--signing-config`: a file, `-`, a URL, or `env://NAME`; it goes before the repository's. */
  readonly signingConfig?: string;
  /** `--use-signing-config`: the one of the TUF repository. */
  readonly useSigningConfig: boolean;
}

const MAX_CONFIG_BYTES = 1024 * 1024; // the public one has 1 KB

/**
 * Opens the signing config of a run.
 *
 * @returns nothing when none is asked for: the flags name the services.
 * @throws {CosignError} `SIGNING_CONFIG_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function openSigningConfig(
  { signingConfig, useSigningConfig }: SigningConfigSources,
  context: TrustContext,
): Promise<SigningConfig | undefined> {
  if (signingConfig) return await readSigningConfig(signingConfig, context);
  return useSigningConfig ? await embeddedSigningConfig() : undefined;
}

/** Reads a signing config. @throws {CosignError} as {@link openSigningConfig}. */
export async function readSigningConfig(
  source: string,
  context: TrustContext,
): Promise<SigningConfig> {
  const bytes = await readShort(source, MAX_CONFIG_BYTES, context);
  return signingConfigOf(bytes, `signing config "${source}"`);
}

function signingConfigOf(bytes: Uint8Array, what: string): SigningConfig {
  try {
    return parseSigningConfig(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "SIGNING_CONFIG_INVALID",
      `Cannot read ${what}: ${describeError(cause)}`,
      {
        hint: 'Make one of version 0.2 with "signing-config create"',
        cause,
      },
    );
  }
}
