import type { KeyProvider, PluginModule } from "../../engine/plugin_host/contract.ts";
import { openGitHub } from "./client.ts";
import { ghcr } from "./registry.ts";
import { sealBox } from "./sealed_box.ts";

const NEVER_BACK =
  "GitHub never gives a secret back: in its workflows it is in the environment, for --key env://COSIGN_PRIVATE_KEY";

/** The secrets as cosign names them, in the order in which they are written, and what each holds. */
const SECRETS = [
  ["COSIGN_PASSWORD", "Password", "password"],
  ["COSIGN_PRIVATE_KEY", "Private key", "privatePem"],
  ["COSIGN_PUBLIC_KEY", "Public key", "publicPem"],
] as const;

const github: KeyProvider = {
  lacks: { sign: NEVER_BACK, publicKey: NEVER_BACK },
  store: async (uri, pair, context) => {
    const secrets = openGitHub(uri, context);
    const key = await secrets.sealingKey();
    for (const [name, what, part] of SECRETS) {
      const sealed = sealBox(new TextEncoder().encode(pair[part]), key.point);
      const isReplaced = await secrets.put(name, sealed, key);
      if (isReplaced) context.warn(`Secret "${name}" was there already: it is replaced`);
      context.tell(`${what} written to ${name} github actions secret`);
    }
  },
};

/** Key pairs in the secrets of GitHub Actions: they can be put there, and never be read again. */
export const plugin: PluginModule = { keys: { github }, registries: ghcr };
