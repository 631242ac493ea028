import * as v from "valibot";
import {
  CosignError,
  type PluginContext,
  type TlsOptions,
} from "../../engine/plugin_host/contract.ts";
import { askExecPlugin, type ExecCredential } from "./exec.ts";
import { type Access, findAccess, type User } from "./kubeconfig.ts";
import { type Purpose, refusal } from "./refusal.ts";

/** One thing that is asked of the API server. */
export interface KubernetesCall extends Purpose {
  readonly method: "GET" | "POST" | "PUT";
  /** Behind the server's URL. */
  readonly path: string;
  readonly body?: object;
}

/** An API server that knows who we are. */
export interface Kubernetes {
  /** @throws {CosignError} `KEY_NOT_FOUND`, `KEY_DENIED`, `KEY_EXISTS`, `KEY_SERVICE_…`. */
  call(call: KubernetesCall): Promise<unknown>;
}

/**
 * Finds the cluster and what shows who we are. Nothing is asked of it yet.
 *
 * @throws {CosignError} `USAGE`, `FILE_READ`, `KEY_SERVICE_AUTH`.
 */
export async function openKubernetes(context: PluginContext): Promise<Kubernetes> {
  const access = await findAccess(context);
  const server = serverUrl(access);
  refuseOpenSecrets(server, access.user);
  const { exec } = access.user;
  const credential = exec ? await askExecPlugin(exec, access.cluster, context) : {};
  const tls = await readTls(access, credential, context);
  const headers = await identityHeaders(access.user, credential, context);
  return {
    call: async (call) => {
      const { method, path, body } = call;
      const response = await context.fetch(`${server}${path}`, {
        method,
        headers: {
          accept: "application/json",
          "user-agent": "cosign-ts",
          ...headers,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        tls,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // What is written twice is refused the second time, although it was we who wrote it.
        repeatable: method === "GET",
      });
      const text = await response.text();
      if (!response.ok) throw refusal(response.status, text, call, server);
      const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), text);
      if (parsed.success) return parsed.output;
      throw new CosignError(
        "KEY_SERVICE_PROTOCOL",
        `Cannot ${call.what}: what answers at ${server} is no API server of Kubernetes`,
      );
    },
  };
}

function serverUrl({ cluster }: Access): string {
  const { server } = cluster;
  if (cluster["proxy-url"]) {
    throw new CosignError(
      "USAGE",
      "Cannot reach the cluster: proxy-url of a kubeconfig is not used here",
      {
        hint: "Name the proxy by HTTPS_PROXY",
      },
    );
  }
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === "";
  if (isPlain && url.search === "" && url.hash === "") return url.href.replace(/\/+$/, "");
  throw new CosignError(
    "USAGE",
    "Cannot reach the cluster: its server is no plain http or https URL",
    {
      hint: "Look at it: kubectl config view",
    },
  );
}

/** kubectl shows nobody who we are by plain http; here this machine is the exception. */
function refuseOpenSecrets(server: string, user: User): void {
  const { protocol, hostname } = new URL(server);
  if (protocol === "https:" || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)) return;
  const { token, tokenFile, username, exec, "auth-provider": provider } = user;
  if (!token && !tokenFile && !username && !exec && !provider) return;
  throw new CosignError(
    "USAGE",
    "Cannot log in to the cluster: its server is spoken to by plain http, where anybody could read the credentials",
    { hint: "Name the server by https in the kubeconfig" },
  );
}

async function readTls(
  { cluster, user }: Access,
  credential: ExecCredential,
  context: PluginContext,
): Promise<TlsOptions> {
  const caPem = await pemOf(
    cluster["certificate-authority-data"],
    cluster["certificate-authority"],
    context,
  );
  const certificatePem =
    credential.clientCertificateData ??
    (await pemOf(user["client-certificate-data"], user["client-certificate"], context));
  const keyPem =
    credential.clientKeyData ?? (await pemOf(user["client-key-data"], user["client-key"], context));
  const serverName = cluster["tls-server-name"];
  const insecure = cluster["insecure-skip-tls-verify"] === true;
  if (insecure && cluster.server.startsWith("https:")) {
    context.warn("insecure-skip-tls-verify: the certificate of the cluster is not checked");
  }
  return {
    ...(caPem === undefined ? {} : { caPem }),
    ...(certificatePem === undefined ? {} : { certificatePem }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(serverName ? { serverName } : {}),
    ...(insecure ? { insecure } : {}),
  };
}

/** What stands in a kubeconfig itself goes before what it names. */
async function pemOf(
  base64: string | null | undefined,
  path: string | null | undefined,
  context: PluginContext,
): Promise<string | undefined> {
  if (base64) {
    const parsed = v.safeParse(v.pipe(v.string(), v.base64()), base64);
    if (parsed.success) return new TextDecoder().decode(Uint8Array.fromBase64(parsed.output));
    throw new CosignError(
      "USAGE",
      "Cannot read the kubeconfig: a certificate or key in it is no base64",
    );
  }
  return path ? new TextDecoder().decode(await context.readFile(path)) : undefined;
}

async function identityHeaders(
  user: User,
  credential: ExecCredential,
  context: PluginContext,
): Promise<Readonly<Record<string, string>>> {
  const impersonation: Record<string, string> = user.as ? { "impersonate-user": user.as } : {};
  const token = credential.token ?? (await tokenOf(user, context));
  if (token) {
    context.secret(token);
    return { ...impersonation, authorization: `Bearer ${token}` };
  }
  if (!user.username) return impersonation;
  const password = user.password ?? "";
  context.secret(password);
  const pair = new TextEncoder().encode(`${user.username}:${password}`);
  return { ...impersonation, authorization: `Basic ${pair.toBase64()}` };
}

async function tokenOf(user: User, context: PluginContext): Promise<string | undefined> {
  if (user.tokenFile) {
    return new TextDecoder().decode(await context.readFile(user.tokenFile)).trim();
  }
  const provider = user["auth-provider"];
  if (user.token || !provider) return user.token?.trim() || undefined;
  const known = provider.name === "oidc" ? provider.config?.["id-token"] : undefined;
  if (known) return known; // as it was when it was written down: the server says when it is over
  throw new CosignError(
    "KEY_SERVICE_AUTH",
    `Cannot log in to the cluster: the auth-provider "${provider.name.slice(0, 80)}" is gone from Kubernetes too`,
    { hint: "Use the credential plugin that took its place: kubelogin, gke-gcloud-auth-plugin" },
  );
}
