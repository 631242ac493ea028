import type { KeyProvider, PluginModule } from "../../engine/plugin_host/contract.ts";
import { openKubernetes } from "./client.ts";
import { fieldOf, parseSecretUri, readSecret, writeSecret } from "./secret.ts";

const k8s: KeyProvider = {
  publicKey: async (uri, context) => {
    const name = parseSecretUri(uri); // before credentials are looked for
    const secret = await readSecret(await openKubernetes(context), name);
    return { publicKey: fieldOf(secret, name, "cosign.pub") };
  },
  readPair: async (uri, context) => {
    const name = parseSecretUri(uri);
    const secret = await readSecret(await openKubernetes(context), name);
    const password = fieldOf(secret, name, "cosign.password");
    context.secret(password);
    return { privatePem: fieldOf(secret, name, "cosign.key"), password };
  },
  store: async (uri, { privatePem, publicPem, password }, context) => {
    const name = parseSecretUri(uri);
    const isReplaced = await writeSecret(await openKubernetes(context), name, {
      "cosign.key": privatePem,
      "cosign.pub": publicPem,
      "cosign.password": password,
    });
    if (isReplaced) context.warn(`Secret "${uri}" held a key pair already: it is replaced`);
    context.tell(`Successfully created secret ${name.name} in namespace ${name.namespace}`);
  },
};

/** Key pairs in the secrets of a Kubernetes cluster. */
export const plugin: PluginModule = { keys: { k8s } };
