import { parseBase64, utf8 } from "../model/bytes.ts";

/** The address of Sigstore's own repository of roots. */
export const SIGSTORE_MIRROR = "https://tuf-repo-cdn.sigstore.dev";
/** The address of the repository of Sigstore's staging instance. */
export const STAGING_MIRROR = "https://tuf-repo-cdn.sigstage.dev";

/** The `root.json` of a mirror, as it was when this program was built. */
export async function embeddedRoot(
  mirror: typeof SIGSTORE_MIRROR | typeof STAGING_MIRROR,
): Promise<Uint8Array> {
  if (mirror === SIGSTORE_MIRROR) return parseBase64((await sigstoreSeed())["root.json"]);
  const { default: root } = await import("./staging_root.json", { with: { type: "json" } });
  return utf8(JSON.stringify(root)); // what is signed is its canonical form
}

/** Sigstore's target `trusted_root.json`, as it was when this program was built. */
export async function embeddedTrustedRoot(): Promise<Uint8Array> {
  return parseBase64((await sigstoreSeed()).targets["trusted_root.json"]);
}

/** What Sigstore's target `signing_config.v0.2.json` said when this program was built. */
export async function embeddedSigningConfig(): Promise<Uint8Array> {
  const { default: config } = await import("./sigstore_signing_config.json", {
    with: { type: "json" },
  });
  return utf8(JSON.stringify(config));
}

async function sigstoreSeed() {
  const { default: seeds } = await import("@sigstore/tuf/seeds.json", { with: { type: "json" } });
  return seeds[SIGSTORE_MIRROR];
}
