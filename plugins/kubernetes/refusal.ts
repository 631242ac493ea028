import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";

/** What was asked for. */
export interface Purpose {
  /** As it stands in a message behind "Cannot". */
  readonly what: string;
  /** What a role must allow on secrets. */
  readonly verb: "get" | "create" | "update";
  readonly namespace: string;
  readonly name: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint?: string;
}

const MAX_SHOWN = 400;
const statusSchema = v.looseObject({
  kind: v.literal("Status"),
  message: v.optional(v.string(), ""),
  reason: v.optional(v.string(), ""),
  details: v.optional(v.looseObject({ kind: v.optional(v.string()) })),
});
type Status = v.InferOutput<typeof statusSchema>;

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(
  httpStatus: number,
  text: string,
  purpose: Purpose,
  server: string,
): CosignError {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), statusSchema), text);
  const status: Status | undefined = parsed.success ? parsed.output : undefined;
  const said = status?.message.replaceAll(/[\p{Cc}\s]+/gu, " ").slice(0, MAX_SHOWN);
  const { code, why, hint } = meaningOf(httpStatus, status, purpose, server);
  return new CosignError(
    code,
    `Cannot ${purpose.what}: ${why}: ${said || `HTTP ${httpStatus}`}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf(
  httpStatus: number,
  status: Status | undefined,
  { verb, namespace, name }: Purpose,
  server: string,
): Meaning {
  const account = `--namespace ${namespace}`;
  switch (httpStatus) {
    case 401: {
      const hint = `The token or certificate of the kubeconfig may have expired: kubectl auth whoami (${server})`;
      return { code: "KEY_SERVICE_AUTH", why: "the cluster does not know who we are", hint };
    }
    case 403: {
      const hint = `A role in namespace "${namespace}" must allow the verb ${verb} on the resource secrets: kubectl auth can-i ${verb} secret/${name} ${account}`;
      return { code: "KEY_DENIED", why: "the cluster denies it", hint };
    }
    case 404:
      if (status?.details?.kind === "namespaces") {
        const hint = `Make it: kubectl create namespace ${namespace}`;
        return { code: "KEY_NOT_FOUND", why: "there is no such namespace", hint };
      }
      if (status?.reason !== "NotFound") break;
      return {
        code: "KEY_NOT_FOUND",
        why: "there is no such secret",
        hint: `Make it: generate-key-pair k8s://${namespace}/${name}; or look at the namespace and the context of the kubeconfig (${server})`,
      };
    case 409: {
      const hint = "Somebody else wrote it at the same time: look at what is there now";
      return { code: "KEY_EXISTS", why: "it was changed meanwhile", hint };
    }
    case 422: {
      const hint =
        "An immutable secret cannot be changed: choose another name, or delete it if no signature needs it";
      return { code: "KEY_EXISTS", why: "the cluster refuses the new content", hint };
    }
  }
  return httpStatus >= 500
    ? { code: "KEY_SERVICE_UNAVAILABLE", why: "the cluster has a fault", hint: "Try again later" }
    : { code: "KEY_SERVICE_PROTOCOL", why: `${server} answers what was not expected` };
}
