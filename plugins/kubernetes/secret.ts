import * as v from "valibot";
import { CosignError, hasCode } from "../../engine/plugin_host/contract.ts";
import type { Kubernetes } from "./client.ts";

/** What `k8s://NAMESPACE/SECRET` names. */
export interface SecretName {
  readonly uri: string;
  readonly namespace: string;
  readonly name: string;
}

/** A secret, with all that else is in it and stays. */
export interface Secret {
  /** Base64, by the names of the fields. */
  readonly data?: Readonly<Record<string, string>> | null | undefined;
  readonly immutable?: boolean | null | undefined;
}

/** Names in a cluster (RFC 1123): of a label, and of several with dots between. */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const URI = new RegExp(`^k8s://(?<namespace>${LABEL})/(?<name>${LABEL}(?:\\.${LABEL})*)$`);
const secretSchema: v.GenericSchema<unknown, Secret> = v.looseObject({
  kind: v.literal("Secret"),
  metadata: v.looseObject({ name: v.string(), namespace: v.string() }),
  data: v.nullish(v.record(v.string(), v.pipe(v.string(), v.base64()))),
  immutable: v.nullish(v.boolean()),
});

/** @throws {CosignError} `USAGE`. */
export function parseSecretUri(uri: string): SecretName {
  const { namespace, name } = URI.exec(uri)?.groups ?? {};
  if (namespace !== undefined && name !== undefined) return { uri, namespace, name };
  throw new CosignError(
    "USAGE",
    `Cannot use key "${uri.slice(0, 300)}": kubernetes specification should be in the format k8s://<namespace>/<secret>`,
    { hint: "Names in a cluster have small letters, digits and - only, of secrets dots too" },
  );
}

/** Reads a secret. @throws {CosignError} as `Kubernetes.call`; `KEY_SERVICE_PROTOCOL`. */
export async function readSecret(kubernetes: Kubernetes, secret: SecretName): Promise<Secret> {
  const { uri, namespace, name } = secret;
  const what = `read secret "${uri}"`;
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
  const answer = await kubernetes.call({ method: "GET", path, what, verb: "get", ...secret });
  const parsed = v.safeParse(secretSchema, answer);
  if (parsed.success) return parsed.output;
  throw new CosignError("KEY_SERVICE_PROTOCOL", `Cannot ${what}: the answer is no secret`);
}

/** One field of a secret. @throws {CosignError} `KEY_NOT_FOUND`. */
export function fieldOf({ data }: Secret, { uri }: SecretName, field: string): string {
  const base64 = data?.[field];
  if (base64 !== undefined) return new TextDecoder().decode(Uint8Array.fromBase64(base64));
  const fields = Object.keys(data ?? {})
    .slice(0, 20)
    .join(", ")
    .slice(0, 300);
  throw new CosignError(
    "KEY_NOT_FOUND",
    `Cannot use key "${uri}": the secret has no field "${field}"`,
    {
      hint: `Its fields are: ${fields || "none"}; generate-key-pair makes cosign.key, cosign.pub and cosign.password`,
    },
  );
}

/**
 * Writes fields into a secret, which nobody can change from then on. What else is in it stays.
 *
 * @returns Whether it replaced a key pair.
 * @throws {CosignError} `KEY_EXISTS` when it is immutable already, or somebody else writes it at once.
 */
export async function writeSecret(
  kubernetes: Kubernetes,
  secret: SecretName,
  fields: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { uri, namespace, name } = secret;
  const collection = `/api/v1/namespaces/${namespace}/secrets`;
  const entries = Object.entries(fields).map(
    ([field, text]) => [field, new TextEncoder().encode(text).toBase64()] as const,
  );
  const data = Object.fromEntries(entries);
  const existing = await readExisting(kubernetes, secret);
  if (existing === undefined) {
    const metadata = { name, namespace };
    const body = {
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      type: "Opaque",
      data,
      immutable: true,
    };
    const what = `create secret "${uri}"`;
    await kubernetes.call({
      method: "POST",
      path: collection,
      what,
      verb: "create",
      body,
      ...secret,
    });
    return false;
  }
  const what = `update secret "${uri}"`;
  if (existing.immutable === true) {
    throw new CosignError("KEY_EXISTS", `Cannot ${what}: it exists already, and is immutable`, {
      hint: "Choose another name, or delete it if no signature needs it",
    });
  }
  // With its resourceVersion: what somebody else wrote meanwhile is not overwritten.
  const body = { ...existing, data: { ...existing.data, ...data }, immutable: true };
  const path = `${collection}/${name}`;
  await kubernetes.call({ method: "PUT", path, what, verb: "update", body, ...secret });
  return Object.keys(fields).some((field) => existing.data?.[field] !== undefined);
}

async function readExisting(
  kubernetes: Kubernetes,
  secret: SecretName,
): Promise<Secret | undefined> {
  try {
    return await readSecret(kubernetes, secret);
  } catch (error) {
    if (hasCode(error, "KEY_NOT_FOUND")) return undefined;
    throw error;
  }
}
