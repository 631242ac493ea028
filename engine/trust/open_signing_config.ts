import { parseSigningConfig, type SigningConfig } from "../formats/signing_config.ts";
import { readShort } from "../io/blob.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { embeddedSigningConfig } from "./embedded.ts";
import { openTuf, type TrustContext, type Tuf } from "./tuf.ts";

/** Where the addresses of services come from. */
export interface SigningConfigSources {
  /** `--signing-config`: a file, `-`, a URL, or `env://NAME`; it goes before the repository's. */
  readonly signingConfig?: string;
  /** `--use-signing-config`: the one of the TUF repository. */
  readonly useSigningConfig: boolean;
}

/** The target of a TUF repository that names Rekor's first version, and the one that names its second. */
export type SigningConfigTarget = "signing_config.v0.2.json" | "signing_config_rekor_v2.v0.2.json";

const MAX_CONFIG_BYTES = 1024 * 1024; // the public one has 1 KB

/**
 * Opens the signing config of a run.
 *
 * @returns nothing when none is asked for: the flags name the services.
 * @throws {CosignError} `SIGNING_CONFIG_INVALID`, `TRUST_…`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function openSigningConfig(
  { signingConfig, useSigningConfig }: SigningConfigSources,
  context: TrustContext,
): Promise<SigningConfig | undefined> {
  if (signingConfig) return await readSigningConfig(signingConfig, context);
  return useSigningConfig
    ? await openSigstoreConfig("signing_config.v0.2.json", context)
    : undefined;
}

/** Reads a signing config. @throws {CosignError} as {@link openSigningConfig}. */
export async function readSigningConfig(
  source: string,
  context: TrustContext,
): Promise<SigningConfig> {
  const bytes = await readShort(source, MAX_CONFIG_BYTES, context);
  return signingConfigOf(bytes, `signing config "${source}"`);
}

/**
 * Opens a signing config of the TUF repository.
 *
 * @throws {CosignError} `SIGNING_CONFIG_INVALID` when it has none, `TRUST_…`.
 */
export async function openSigstoreConfig(
  target: SigningConfigTarget,
  context: TrustContext,
): Promise<SigningConfig> {
  return await signingConfigIn(await openTuf(context), target);
}

/** The signing config of a repository that was opened. @throws {CosignError} as {@link openSigstoreConfig}. */
export async function signingConfigIn(
  { repository, place }: Tuf,
  target: SigningConfigTarget,
): Promise<SigningConfig> {
  const bytes =
    repository === undefined
      ? await embeddedConfig(target)
      : await repository.read(target, MAX_CONFIG_BYTES);
  if (bytes !== undefined) return signingConfigOf(bytes, `${target} of "${place.mirror}"`);
  throw new CosignError(
    "SIGNING_CONFIG_INVALID",
    `Cannot get the signing config from "${place.mirror}": it has no ${target}`,
    {
      hint: "Name one by --signing-config, or the services by their flags with --use-signing-config=false",
    },
  );
}

async function embeddedConfig(target: SigningConfigTarget): Promise<Uint8Array | undefined> {
  return target === "signing_config.v0.2.json" ? await embeddedSigningConfig() : undefined;
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
