import type { TrustedRoot } from "../formats/trusted_root.ts";
import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { parseBase64 } from "../model/bytes.ts";

/** The address of Sigstore's own repository of roots. */
export const SIGSTORE_MIRROR = "https://tuf-repo-cdn.sigstore.dev";

/** Sigstore's trusted root as it was when this program was built. */
export async function embeddedTrustedRoot(): Promise<TrustedRoot> {
  const { default: seeds } = await import("@sigstore/tuf/seeds.json", { with: { type: "json" } });
  return parseTrustedRoot(parseBase64(seeds[SIGSTORE_MIRROR].targets["trusted_root.json"]));
}
