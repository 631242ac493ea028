import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as v from "valibot";
import {
  CosignError,
  describeError,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";
import type { Cluster, ExecPlugin } from "./kubeconfig.ts";

/** What such a program answers: a token, or a certificate with its key. PEM. */
export interface ExecCredential {
  readonly token?: string | undefined;
  readonly clientCertificateData?: string | undefined;
  readonly clientKeyData?: string | undefined;
}

/** A program may ask a cloud; tokens and certificates have some kilobytes. */
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024;
const API_VERSIONS: readonly string[] = [
  "client.authentication.k8s.io/v1",
  "client.authentication.k8s.io/v1beta1",
];
const answerSchema = v.looseObject({
  kind: v.literal("ExecCredential"),
  apiVersion: v.string(),
  status: v.looseObject({
    token: v.optional(v.string()),
    clientCertificateData: v.optional(v.string()),
    clientKeyData: v.optional(v.string()),
  }),
});

/**
 * Asks a program for credentials, as kubectl asks it (`client.authentication.k8s.io`).
 *
 * @throws {CosignError} `KEY_SERVICE_AUTH` when it cannot be run or has none; `USAGE` for what we cannot ask.
 */
export async function askExecPlugin(
  plugin: ExecPlugin,
  cluster: Cluster,
  context: PluginContext,
): Promise<ExecCredential> {
  const { apiVersion, command, args, env, installHint, interactiveMode } = plugin;
  if (!API_VERSIONS.includes(apiVersion)) {
    throw new CosignError(
      "USAGE",
      `Cannot ask "${command}" for credentials: the version "${apiVersion.slice(0, 80)}" of the protocol is not spoken here`,
      { hint: `Spoken are ${API_VERSIONS.join(" and ")}` },
    );
  }
  if (interactiveMode === "Always") {
    throw new CosignError(
      "KEY_SERVICE_AUTH",
      `Cannot ask "${command}" for credentials: it wants a terminal`,
      {
        hint: 'Log in with it by hand, and set "interactiveMode: IfAvailable" in the kubeconfig',
      },
    );
  }
  const named = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)(command, [...(args ?? [])], {
      env: { ...context.env, ...named, KUBERNETES_EXEC_INFO: execInfo(plugin, cluster) },
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      signal: context.signal,
    }));
  } catch (error) {
    if (context.signal.aborted) throw error;
    const isMissing = error instanceof Error && Reflect.get(error, "code") === "ENOENT";
    throw failed(command, isMissing ? "there is no such program" : firstLine(error), installHint);
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), answerSchema), stdout);
  if (!parsed.success) throw failed(command, "its answer is no ExecCredential with a status");
  const { status } = parsed.output;
  if (parsed.output.apiVersion !== apiVersion) {
    throw failed(command, `it speaks another version than ${apiVersion}`);
  }
  if (!status.token && !(status.clientCertificateData && status.clientKeyData)) {
    throw failed(command, "its answer has neither a token nor a certificate with its key");
  }
  for (const secret of [status.token, status.clientKeyData]) if (secret) context.secret(secret);
  return status;
}

function execInfo({ apiVersion, provideClusterInfo }: ExecPlugin, cluster: Cluster): string {
  const { server, ...rest } = cluster;
  const told = {
    server,
    "tls-server-name": rest["tls-server-name"] ?? undefined,
    "insecure-skip-tls-verify": rest["insecure-skip-tls-verify"] ?? undefined,
    "certificate-authority-data": rest["certificate-authority-data"] ?? undefined,
  };
  return JSON.stringify({
    kind: "ExecCredential",
    apiVersion,
    spec: { interactive: false, ...(provideClusterInfo ? { cluster: told } : {}) },
  });
}

function firstLine(error: unknown): string {
  const said = error instanceof Error ? Reflect.get(error, "stderr") : undefined;
  const words = typeof said === "string" && said.trim() !== "" ? said : describeError(error);
  return words.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
}

function failed(command: string, why: string, hint?: string | null): CosignError {
  return new CosignError(
    "KEY_SERVICE_AUTH",
    `Cannot get credentials of the cluster from "${command}": ${why}`,
    { hint: hint ? hint.trim().slice(0, 500) : "Run it by hand, and log in with it again" },
  );
}
