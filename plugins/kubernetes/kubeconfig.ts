import { dirname, isAbsolute, join } from "node:path";
import * as v from "valibot";
import { parse as parseYaml } from "yaml";
import {
  CosignError,
  describeError,
  hasCode,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";

type Text = string | null | undefined;

/** A cluster, in the words of a kubeconfig. */
export interface Cluster {
  readonly server: string;
  readonly "certificate-authority"?: Text;
  /** Base64 of PEM; so are the others of this ending. */
  readonly "certificate-authority-data"?: Text;
  readonly "insecure-skip-tls-verify"?: boolean | null | undefined;
  readonly "tls-server-name"?: Text;
  readonly "proxy-url"?: Text;
}

/** How a user of a cluster shows who he is, in the words of a kubeconfig. */
export interface User {
  readonly token?: Text;
  readonly tokenFile?: Text;
  readonly username?: Text;
  readonly password?: Text;
  readonly "client-certificate"?: Text;
  readonly "client-certificate-data"?: Text;
  readonly "client-key"?: Text;
  readonly "client-key-data"?: Text;
  /** Whom he acts for. */
  readonly as?: Text;
  readonly exec?: ExecPlugin | null | undefined;
  readonly "auth-provider"?:
    | {
        readonly name: string;
        readonly config?: Readonly<Record<string, string>> | null | undefined;
      }
    | null
    | undefined;
}

/** A program that is asked for credentials, in the words of a kubeconfig. */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args?: readonly string[] | null | undefined;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null | undefined;
  readonly installHint?: Text;
  readonly interactiveMode?: Text;
  readonly provideClusterInfo?: boolean | null | undefined;
}

/** The cluster that is spoken to, and as whom. Files have whole paths. */
export interface Access {
  readonly cluster: Cluster;
  readonly user: User;
}

const text = v.nullish(v.string());
const clusterSchema: v.GenericSchema<unknown, Cluster> = v.looseObject({
  server: v.string(),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": v.nullish(v.boolean()),
  "tls-server-name": text,
  "proxy-url": text,
});
const execSchema: v.GenericSchema<unknown, ExecPlugin> = v.looseObject({
  apiVersion: v.string(),
  command: v.string(),
  args: v.nullish(v.array(v.string())),
  env: v.nullish(v.array(v.looseObject({ name: v.string(), value: v.string() }))),
  installHint: text,
  interactiveMode: text,
  provideClusterInfo: v.nullish(v.boolean()),
});
const userSchema: v.GenericSchema<unknown, User> = v.looseObject({
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  as: text,
  exec: v.nullish(execSchema),
  "auth-provider": v.nullish(
    v.looseObject({ name: v.string(), config: v.nullish(v.record(v.string(), v.string())) }),
  ),
});
const contextSchema = v.looseObject({ cluster: v.string(), user: v.nullish(v.string(), "") });
const fileSchema = v.looseObject({
  "current-context": text,
  clusters: v.nullish(v.array(v.looseObject({ name: v.string(), cluster: clusterSchema }))),
  contexts: v.nullish(v.array(v.looseObject({ name: v.string(), context: contextSchema }))),
  users: v.nullish(v.array(v.looseObject({ name: v.string(), user: v.nullish(userSchema) }))),
});

type KubeFile = v.InferOutput<typeof fileSchema>;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const CLUSTER_FILES = ["certificate-authority"] as const;
const USER_FILES = ["client-certificate", "client-key", "tokenFile"] as const;

/**
 * Finds the cluster as kubectl does: the files of `KUBECONFIG`, else `~/.kube/config`, else the service
 * account of the pod that we run in.
 *
 * @throws {CosignError} `USAGE` when none is named, or what is named is none; `FILE_READ`.
 */
export async function findAccess(context: PluginContext): Promise<Access> {
  const paths = configPaths(context);
  const files: KubeFile[] = [];
  for (const path of paths) {
    const bytes = await readIfThere(path, context);
    if (bytes !== undefined) files.push(withWholePaths(parseFile(bytes, path), dirname(path)));
  }
  if (files.length > 0) return choose(files);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = context.env;
  if (host && port) {
    const name = host.includes(":") ? `[${host}]` : host;
    return {
      cluster: {
        server: `https://${name}:${port}`,
        "certificate-authority": `${SERVICE_ACCOUNT}/ca.crt`,
      },
      user: { tokenFile: `${SERVICE_ACCOUNT}/token` },
    };
  }
  throw new CosignError("USAGE", "Cannot find a cluster: there is no kubeconfig", {
    hint: `Set KUBECONFIG (looked for: ${paths.join(", ") || "nothing"}), or run in a pod of the cluster`,
  });
}

function configPaths({ env }: PluginContext): readonly string[] {
  const separator = process.platform === "win32" ? ";" : ":";
  if (env["KUBECONFIG"]) return env["KUBECONFIG"].split(separator).filter((path) => path !== "");
  const home = env["HOME"] || env["USERPROFILE"];
  return home ? [join(home, ".kube", "config")] : [];
}

/** Of two entries of one name the first stands, also of two files, as for kubectl. */
function choose(files: readonly KubeFile[]): Access {
  const current = files.map((file) => file["current-context"]).find(Boolean);
  if (!current) {
    throw new CosignError("USAGE", "Cannot find a cluster: the kubeconfig has no current context", {
      hint: "Choose one: kubectl config use-context NAME",
    });
  }
  const chosen = files
    .flatMap(({ contexts }) => contexts ?? [])
    .find(({ name }) => name === current)?.context;
  if (chosen === undefined) throw missing("context", current);
  const cluster = files
    .flatMap(({ clusters }) => clusters ?? [])
    .find(({ name }) => name === chosen.cluster)?.cluster;
  if (cluster === undefined) throw missing("cluster", chosen.cluster);
  const user = files.flatMap(({ users }) => users ?? []).find(({ name }) => name === chosen.user);
  if (user === undefined && chosen.user !== "") throw missing("user", chosen.user);
  return { cluster, user: user?.user ?? {} };
}

function missing(what: string, name: string): CosignError {
  return new CosignError(
    "USAGE",
    `Cannot find a cluster: the kubeconfig has no ${what} "${name.slice(0, 100)}"`,
    { hint: "Look at it: kubectl config view" },
  );
}

function parseFile(bytes: Uint8Array, path: string): KubeFile {
  let value: unknown;
  try {
    value = parseYaml(new TextDecoder().decode(bytes)) ?? {};
  } catch (error) {
    // Only where, not what: the line may hold a token.
    const at = /at line \d+, column \d+/.exec(describeError(error))?.[0] ?? "somewhere";
    throw new CosignError("USAGE", `Cannot read kubeconfig "${path}": it is no YAML ${at}`);
  }
  const parsed = v.safeParse(fileSchema, value);
  if (parsed.success) return parsed.output;
  const where = v.getDotPath(parsed.issues[0]) ?? "the whole";
  throw new CosignError("USAGE", `Cannot read kubeconfig "${path}": ${where} is not as it must be`);
}

/** Paths in a kubeconfig begin where the file lies; a program without a slash is looked for on the PATH. */
function withWholePaths(file: KubeFile, directory: string): KubeFile {
  const whole = (path: string): string => (isAbsolute(path) ? path : join(directory, path));
  const places = <T extends object>(entry: T, names: readonly (keyof T & string)[]): T => {
    const changed = names.flatMap((name) => {
      const path = entry[name];
      return typeof path === "string" && path !== "" ? [[name, whole(path)] as const] : [];
    });
    return { ...entry, ...Object.fromEntries(changed) };
  };
  const program = ({ command, ...rest }: ExecPlugin): ExecPlugin => ({
    ...rest,
    command: /[/\\]/.test(command) ? whole(command) : command,
  });
  return {
    ...file,
    clusters: (file.clusters ?? []).map(({ name, cluster }) => ({
      name,
      cluster: places(cluster, CLUSTER_FILES),
    })),
    users: (file.users ?? []).map(({ name, user }) => ({
      name,
      user: user && {
        ...places(user, USER_FILES),
        ...(user.exec ? { exec: program(user.exec) } : {}),
      },
    })),
  };
}

async function readIfThere(path: string, context: PluginContext): Promise<Uint8Array | undefined> {
  try {
    return await context.readFile(path);
  } catch (error) {
    const cause = hasCode(error, "FILE_READ") ? error.cause : undefined;
    const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
