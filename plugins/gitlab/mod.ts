import {
  CosignError,
  type KeyProvider,
  type PluginModule,
} from "../../engine/plugin_host/contract.ts";
import { openGitLab } from "./client.ts";

/** The variables as cosign names them, in the order in which they are written, and what each holds. */
const VARIABLES = [
  ["COSIGN_PASSWORD", "Password", "password"],
  ["COSIGN_PRIVATE_KEY", "Private key", "privatePem"],
  ["COSIGN_PUBLIC_KEY", "Public key", "publicPem"],
] as const;

const gitlab: KeyProvider = {
  publicKey: async (uri, context) => ({
    publicKey: await openGitLab(uri, context).read("COSIGN_PUBLIC_KEY"),
  }),
  readPair: async (uri, context) => {
    const variables = openGitLab(uri, context);
    const privatePem = await variables.read("COSIGN_PRIVATE_KEY");
    const password = await variables.read("COSIGN_PASSWORD");
    context.secret(password);
    return { privatePem, password };
  },
  store: async (uri, pair, context) => {
    const variables = openGitLab(uri, context);
    // Before the first is written: half of a new pair beside half of an old one would be the end of both.
    for (const [name] of VARIABLES) {
      if ((await variables.find(name)) === undefined) continue;
      throw new CosignError(
        "KEY_EXISTS",
        `Cannot create key "${uri}": variable "${name}" exists already, and is left as it is`,
        { hint: "Delete the variables COSIGN_… there, if no signature needs them any more" },
      );
    }
    for (const [name, what, part] of VARIABLES) {
      await variables.create(name, pair[part]);
      context.tell(`${what} written to "${name}" variable`);
    }
  },
};

/** Key pairs in the CI/CD variables of GitLab's projects and groups. */
export const plugin: PluginModule = { keys: { gitlab } };
