import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findPython } from "./python.ts";

/** A request that the front before moto has seen. */
export interface MotoRequest {
  /** The operation: `Sign`, `GetPublicKey`, `AssumeRoleWithWebIdentity`. */
  readonly operation: string;
  readonly headers: Headers;
  readonly body: string;
  readonly status: number;
}

/** AWS in memory: moto, behind a front that counts requests and can misbehave. */
export interface Moto {
  readonly url: string;
  readonly requests: readonly MotoRequest[];
  /** How often an operation was asked for. */
  count(operation: string): number;
  /** Answers requests in moto's place, as long as it returns something. */
  fault: ((operation: string) => Response | Promise<Response> | undefined) | undefined;
  /** Changes the body of a request on its way to moto. */
  rewrite: ((operation: string, body: string) => string) | undefined;
  /** The requests behind the next ones must be signed by somebody who may do it (moto's `reset-auth`). */
  demandAuthority(): Promise<void>;
  /** Calls an operation as somebody who may do everything. The protocol is that of KMS or of IAM (a query). */
  call(
    service: "kms" | "iam" | "sts",
    operation: string,
    parameters: Readonly<Record<string, unknown>>,
  ): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

const HIGH = "1000000000";
const LESS_THAN = 0x3c;
/** moto refuses whom it does not know in XML whatever the protocol; KMS does it in JSON, with its own names. */
const REFUSALS: Readonly<Record<string, string>> = {
  AccessDenied: "AccessDeniedException",
  SignatureDoesNotMatch: "InvalidSignatureException",
  InvalidClientTokenId: "UnrecognizedClientException",
};

/** Starts moto. Ask `requires("moto")` before. */
export async function startMoto(): Promise<Moto> {
  const child = spawn(findPython("moto") ?? "python3", [join(import.meta.dir, "moto_server.py")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: HIGH, MOTO_CALL_RESET_API: "false" },
  });
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<string>((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (code) => reject(new Error(`moto ended with ${code}`)));
  });
  const inside = `http://127.0.0.1:${port}`;
  const requests: MotoRequest[] = [];
  const forward = async (request: Request, body: string): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const { status, headers, ...answer } = await fetch(`${inside}${pathname}${search}`, {
      method: request.method,
      headers: withoutLength(request.headers), // the host too: it is signed
      ...(body === "" ? {} : { body }),
    }).then(async (response) => ({
      status: response.status,
      headers: new Headers(response.headers),
      body: await response.bytes(),
    }));
    headers.delete("content-length");
    const refusal =
      request.headers.has("x-amz-target") && status >= 400 && answer.body.at(0) === LESS_THAN;
    return refusal ? jsonRefusal(answer.body) : new Response(answer.body, { status, headers });
  };
  const front = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const text = await request.text();
      const operation = operationOf(request, text);
      const body = moto.rewrite?.(operation, text) ?? text;
      const answer = (await moto.fault?.(operation)) ?? (await forward(request, body));
      requests.push({ operation, headers: request.headers, body, status: answer.status });
      return answer;
    },
  });
  const moto: Moto = {
    url: `http://127.0.0.1:${front.port}`,
    requests,
    count: (operation) => requests.filter((each) => each.operation === operation).length,
    fault: undefined,
    rewrite: undefined,
    demandAuthority: async () => {
      await fetch(`${inside}/moto-api/reset-auth`, { method: "POST", body: "0" });
    },
    call: async (service, operation, parameters) => {
      // moto knows the service by the credential's scope, and looks no further unless authority is demanded.
      const authorization = `AWS4-HMAC-SHA256 Credential=root/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
      const isQuery = service !== "kms";
      const response = await fetch(inside, {
        method: "POST",
        headers: {
          authorization,
          ...(isQuery
            ? { "content-type": "application/x-www-form-urlencoded" }
            : {
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": `TrentService.${operation}`,
              }),
        },
        body: isQuery
          ? new URLSearchParams({
              Action: operation,
              ...(parameters as Record<string, string>),
            }).toString()
          : JSON.stringify(parameters),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`moto: ${operation}: ${response.status} ${text}`);
      return text;
    },
    [Symbol.asyncDispose]: async () => {
      await front.stop(true);
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
  return moto;
}

function withoutLength(headers: Headers): Headers {
  const others = new Headers(headers);
  others.delete("content-length");
  return others;
}

function jsonRefusal(body: Uint8Array): Response {
  const [, code = ""] = /<Code>([^<]*)</.exec(new TextDecoder().decode(body)) ?? [];
  const [, message = ""] = /<Message>([^<]*)</.exec(new TextDecoder().decode(body)) ?? [];
  return Response.json({ __type: REFUSALS[code] ?? code, Message: message }, { status: 400 });
}

function operationOf(request: Request, body: string): string {
  const target = request.headers.get("x-amz-target");
  return target?.split(".").at(-1) ?? new URLSearchParams(body).get("Action") ?? "";
}
