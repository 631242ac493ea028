import { parseSigningConfig, type SigningConfig } from "../formats/signing_config.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { parseBase64, utf8 } from "../model/bytes.ts";

/** The address of Sigstore's own repository of roots. */
export const SIGSTORE_MIRROR = "https://tuf-repo-cdn.sigstore.dev";

/** Sigstore's trusted root as it was when this program was built. */
export async function embeddedTrustedRoot(): Promise<TrustedRoot> {
  const { default: seeds } = await import("@sigstore/tuf/seeds.json", { with: { type: "json" } });
  return parseTrustedRoot(parseBase64(seeds[SIGSTORE_MIRROR].targets["trusted_root.json"]));
}

/** Sigstore's signing config as it was when this program was built: the target `signing_config.v0.2.json`. */
export async function embeddedSigningConfig(): Promise<SigningConfig> {
  const { default: config } = await import("./sigstore_signing_config.json", {
    with: { type: "json" },
  });
  return parseSigningConfig(utf8(JSON.stringify(config)));
}
